"""Verdicts that recommend nothing: no recipe works, or there is nothing to compare."""

from __future__ import annotations

from dataclasses import replace

from harness.evidence import verdict_text
from harness.evidence.cautions import cautions
from harness.evidence.families import undecided
from harness.evidence.frame import Frame
from harness.evidence.next_step import NextStep, Situation, next_step
from harness.evidence.stats.clusters import FEW_GROUPS
from harness.evidence.verdict_types import Comparison, Families, RecipeSummary, Verdict, VerdictKind
from harness.evidence.works import Working


def nothing_works(frame: Frame, works: Working, comparisons: tuple[Comparison, ...]) -> Verdict:
    """No recipe can be distinguished from 0 or from the constant answer.

    If the best one scores higher and the examples are too few to tell, the question is open, not failed.
    """
    best = frame.ranked[0]
    over = works.over_constant.get(best.recipe)
    unproven = works.unproven(best, frame.margin) and not verdict_text.mostly_one_answer(best)
    words = verdict_text.UNPROVEN if unproven else verdict_text.NOTHING_WORKS
    families = undecided("open" if unproven else "nothing_works", words, frame.ranked)
    sentence = _sentence(words, best, frame.floor, over)
    kind: VerdictKind = "inconclusive" if unproven else "nothing_works"
    bare = _bare(frame, kind, families, sentence, over, unproven=unproven)
    limits = cautions(frame.ranked, [*comparisons, *([] if over is None else [over])])
    return replace(bare, comparisons=comparisons, reasons=(*bare.reasons, *limits))


def _sentence(
    words: str, best: RecipeSummary, constant: RecipeSummary | None, over: Comparison | None
) -> str:
    """The headline if no recipe is shown to work; `words` says whether that is open."""
    first = f"{words}. The best recipe, {best.recipe}, scores {verdict_text.mean(best)}"
    if best.mean == 0.0:
        first = f"{words}. No recipe scores above 0 on {verdict_text.count(best.n, 'example')}"
    if over is None or constant is None:
        more = "" if best.mean == 0.0 else ", which cannot be distinguished from 0"
        return f"{first}{more}.{verdict_text.mostly_one_answer(best)}"
    same = f"the same answer to every question scores {verdict_text.points(constant.mean)}"
    if over.difference <= 0:
        return f"{first}; {same}.{verdict_text.mostly_one_answer(best)}"
    few = 0 < over.groups < min(FEW_GROUPS, over.n)
    where = (
        f"{verdict_text.count(over.n, 'example')} of {verdict_text.count(over.groups, 'group')}"
        if few
        else verdict_text.count(over.n, "example")
    )
    chance = f"The lead of {verdict_text.by(over)} may be chance on {where}."
    lead = chance if over.low <= 0 else f"It leads by only {verdict_text.by(over)}."
    return f"{first}; {same}. {lead}{verdict_text.mostly_one_answer(best)}"


def nothing_to_compare(frame: Frame) -> Verdict:
    families = undecided("nothing_to_compare", verdict_text.ALONE, frame.ranked)
    return _bare(frame, "nothing_to_compare", families, verdict_text.NOTHING_TO_COMPARE)


def _bare(
    frame: Frame,
    kind: VerdictKind,
    families: Families,
    sentence: str,
    over: Comparison | None = None,
    *,
    unproven: bool = False,
) -> Verdict:
    """A verdict that recommends nothing."""
    only = next(iter(frame.ranked), None)
    following = NextStep("", ())
    if only is not None:
        following = next_step(
            Situation(
                task=frame.task,
                kind=kind,
                families=families,
                recommended=only,
                ranked=frame.ranked,
                triage=frame.triage,
                invocation=frame.invocation,
                over_constant=over,
                unproven=unproven,
            )
        )
    return Verdict(
        task=frame.task,
        model=frame.model,
        primary=frame.primary,
        margin=frame.margin,
        n=0 if only is None else only.n,
        seeds=0 if only is None else max(summary.seeds for summary in frame.ranked),
        kind=kind,
        winner=None,
        best=None if only is None else only.recipe,
        recommended=None,
        leaders=(),
        sentence=sentence,
        reasons=tuple(verdict_text.scored(summary) for summary in frame.ranked),
        summaries=frame.summaries,
        comparisons=(),
        minimum_detectable_difference=None,
        next_step=following.command,
        evidence=following.evidence,
        families=families,
        notes=() if only is None else tuple(verdict_text.meaning(frame.primary, only)),
        constant=frame.floor,
    )

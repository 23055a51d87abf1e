"""Verdicts that recommend nothing: where no recipe works, and where there is nothing to compare."""

from __future__ import annotations

from dataclasses import replace

from harness.decide import wording
from harness.decide.families import undecided
from harness.decide.frame import Frame
from harness.decide.next_step import NextStep, Situation, next_step
from harness.decide.values import Comparison, Families, Verdict, VerdictKind
from harness.decide.works import Working


def nothing_works(frame: Frame, works: Working, comparisons: tuple[Comparison, ...]) -> Verdict:
    """No recipe can be told from 0 or from the constant answer."""
    best = frame.ranked[0]
    families = undecided("nothing_works", wording.NOTHING_WORKS, frame.ranked)
    over = works.over_constant.get(best.recipe)
    sentence = wording.nothing_works(best, frame.floor, over)
    bare = _bare(frame, "nothing_works", families, sentence, over)
    return replace(bare, comparisons=comparisons)


def nothing_to_compare(frame: Frame) -> Verdict:
    families = undecided("nothing_to_compare", wording.ALONE, frame.ranked)
    return _bare(frame, "nothing_to_compare", families, wording.NOTHING_TO_COMPARE)


def _bare(
    frame: Frame, kind: VerdictKind, families: Families, sentence: str, over: Comparison | None = None
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
        reasons=tuple(wording.scored(summary) for summary in frame.ranked),
        summaries=frame.summaries,
        comparisons=(),
        minimum_detectable_difference=None,
        next_step=following.command,
        evidence=following.evidence,
        families=families,
        notes=() if only is None else tuple(wording.meaning(frame.primary, only)),
        constant=frame.floor,
    )

"""The verdict: prompt, retrieve or finetune, and the cheapest recipe that is not worse than the best.

    best      the recipe with the highest mean (of equal ones the cheaper)
    leaders   the best, and every recipe that is not shown to be worse than it, of the families that no
              other family is ahead of (`families.py`)
    family    ahead: all leaders are of one family; level: the cheapest leader's family has a recipe that is
              shown not to be worse than any leader of another family; open: neither
    within    settled: the cheapest leader of that family is shown not to be worse than its other leaders

                                          family and recipe settled   either open
    some recipes differ measurably        winner                      inconclusive
    none do                               tie                         no_difference

If no recipe's score can be distinguished from 0 or from the best constant answer, nothing works (`works.py`).

"Differ measurably" is an interval that excludes 0 and is not inside the margin; "shown not worse" is
one whose low end is above minus the margin. All intervals of a verdict hold together at 95 %, so
that all its claims are right in at least 95 of 100 cases. docs/verdict.md explains every term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.evidence import early, other_scorers, random_model, verdict_text
from harness.evidence.aggregate import check_scores, gather, granted_noise, summarise
from harness.evidence.bare import nothing_to_compare, nothing_works
from harness.evidence.candidates import Candidates
from harness.evidence.cautions import cautions, lost_lessons
from harness.evidence.choice import Choice, arranged, choose
from harness.evidence.command import Invocation
from harness.evidence.common_examples import common_ids, on_common
from harness.evidence.frame import Frame
from harness.evidence.next_step import Situation, next_step
from harness.evidence.pairwise import compare
from harness.evidence.profile import described
from harness.evidence.reasons import reasons
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import (
    Comparison,
    Cost,
    Families,
    RecipeSummary,
    RunScores,
    Verdict,
    Within,
)
from harness.evidence.within import within as describe_within
from harness.evidence.works import working

__all__ = ["Comparison", "Cost", "RecipeSummary", "RunScores", "Verdict", "decide"]


def decide(
    task: str,
    model: str,
    primary: str,
    margin: float,
    runs: Sequence[RunScores],
    *,
    triage: Triage | None = None,
    constant: RunScores | None = None,
    invocation: Invocation | None = None,
    noise: Mapping[str, TrainingNoise] | None = None,
) -> Verdict:
    """The verdict over finished runs of one task and one model; a pure function of its arguments.

    Runs of one recipe are its seeds. Everything, including the constant answer, is over the examples that
    every recipe has a score for (`common_examples.py`). Oracles are summarized but take no part.

    Args:
        margin: a difference of scores below this does not matter.
        triage: what `harness diagnose` found before.
        constant: scores of the best answer that is the same for every example (`constant.py`).
        invocation: the command that the runs come from; the next step repeats what it names.
        noise: training noise of recipes known from elsewhere (earlier seeds, `--aa`); without it, claims about
        a trained recipe with one seed are provisional.

    Raises:
        ValueError: a score that is not a number within [0, 1].
    """
    verdict = _judged(task, model, primary, margin, runs, triage, constant, invocation, noise)
    notes = (*early.sentences(verdict), *lost_lessons(verdict.summaries))
    return replace(verdict, notes=(*verdict.notes, *notes))


def _judged(
    task: str,
    model: str,
    primary: str,
    margin: float,
    runs: Sequence[RunScores],
    triage: Triage | None,
    constant: RunScores | None,
    invocation: Invocation | None,
    noise: Mapping[str, TrainingNoise] | None,
) -> Verdict:
    """See `decide`."""
    check_scores(runs, primary)
    whole = gather(runs)
    common = common_ids(whole)
    tables = on_common(whole, common)
    summaries = tuple(described(summarise(tables, noise), tables))
    floor = on_common(gather([constant]), common) if constant is not None else []
    competing = [table for table in tables if not table.oracle]
    granted = granted_noise(competing, noise or {})
    frame = Frame(
        task=task,
        model=model,
        primary=primary,
        margin=margin,
        triage=triage,
        invocation=invocation or Invocation(target=task, task=task),
        summaries=summaries,
        ranked=tuple(summary for summary in summaries if not summary.oracle),
        tables=tuple(competing),
        once=tuple(table.recipe for table in competing if table.trained_once(granted)),
        floor=summarise(floor, noise)[0] if floor else None,
    )
    works = working(competing, frame.ranked, floor[0] if floor else None, margin, noise)
    candidates = Candidates(frame.ranked, tuple(compare(competing, margin, noise)), margin)
    if frame.ranked and not works.recipes:
        verdict = nothing_works(frame, works, arranged(candidates, frame.ranked[0].recipe))
    elif len(frame.ranked) < 2 or not candidates.pairs:
        verdict = nothing_to_compare(frame)
    else:
        verdict = _decided(frame, choose(candidates, works), noise)
    return random_model.said_of(verdict, frame.invocation)


def _decided(frame: Frame, choice: Choice, noise: Mapping[str, TrainingNoise] | None) -> Verdict:
    families = choice.standing.result()
    story = verdict_text.VerdictFacts(
        task=frame.task,
        primary=frame.primary,
        margin=frame.margin,
        kind=choice.kind,
        families=families,
        summaries=frame.ranked,
        best=choice.best,
        recommended=choice.recommended,
        leaders=choice.leaders,
        within=choice.within,
        settled_within=choice.settled_within,
        comparisons=choice.comparisons,
        minimum=choice.minimum,
        once=frame.once,
        oracles=tuple(summary for summary in frame.summaries if summary.oracle),
        constant=frame.floor,
    )
    within = describe_within(story)
    provisional = within.provisional or verdict_text.provisional(story)
    situation = Situation(
        task=frame.task,
        kind=choice.kind,
        families=families,
        within=within,
        provisional=provisional,
        recommended=frame.summary(choice.recommended),
        ranked=frame.ranked,
        open_pairs=choice.open_pairs,
        triage=frame.triage,
        invocation=frame.invocation,
    )
    following = next_step(situation)
    return Verdict(
        task=frame.task,
        model=frame.model,
        primary=frame.primary,
        margin=frame.margin,
        n=min(
            [pair.n for pair in choice.comparisons if not pair.anytime]
            or [max(pair.n for pair in choice.comparisons)]
        ),
        seeds=max(summary.seeds for summary in frame.ranked),
        kind=choice.kind,
        winner=choice.recommended if choice.kind == "winner" else None,
        best=choice.best,
        recommended=choice.recommended,
        leaders=choice.leaders,
        sentence=verdict_text.sentence(story),
        reasons=(*reasons(story), *cautions(frame.ranked, choice.comparisons)),
        summaries=frame.summaries,
        comparisons=choice.comparisons,
        minimum_detectable_difference=choice.minimum,
        next_step=following.command,
        evidence=following.evidence,
        families=families,
        within=within,
        provisional=provisional,
        notes=(_second_line(families, within), *_notes(frame, families, within, noise)),
        constant=frame.floor,
    )


def _second_line(families: Families, within: Within) -> str:
    """The line under the headline: which recipe of the family; if only one family was run, the headline says that."""
    if families.state == "only" and within.state == "settled":
        return verdict_text.ONLY[within.family]
    return within.sentence


def _notes(
    frame: Frame, families: Families, within: Within, noise: Mapping[str, TrainingNoise] | None
) -> list[str]:
    """Further lines under the headline: other scorers that disagree, and what the score means."""
    claims = other_scorers.claims(families, within, frame.ranked)
    disagreements = other_scorers.disagreements(frame.tables, claims, frame.margin, noise)
    return [*disagreements, *verdict_text.meaning(frame.primary, frame.summary(within.recommended))]

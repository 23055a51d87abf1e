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

Where no recipe's score can be told from 0 or from the best constant answer, nothing works (`works.py`).

"Differ measurably" is an interval that excludes 0 and is not inside the margin; "shown not worse" is
one whose low end is above minus the margin. All intervals of a verdict hold together at 95 %, so
that all its claims are right in at least 95 of 100 cases. docs/verdict.md explains every term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence import other_scorers, random_model, verdict_text
from harness.evidence.aggregate import check_scores, gather, granted_noise, summarise
from harness.evidence.bare import nothing_to_compare, nothing_works
from harness.evidence.candidates import Candidates
from harness.evidence.cautions import cautions
from harness.evidence.command import Invocation
from harness.evidence.common_examples import common_ids, on_common
from harness.evidence.families import Standing, unbeaten
from harness.evidence.frame import Frame
from harness.evidence.next_step import Situation, next_step
from harness.evidence.pairwise import compare, level_of_each
from harness.evidence.profile import described
from harness.evidence.reasons import reasons
from harness.evidence.stats import power
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import (
    Comparison,
    Cost,
    Families,
    Family,
    FamilyState,
    RecipeSummary,
    RunScores,
    Verdict,
    VerdictKind,
    Within,
)
from harness.evidence.within import within as describe_within
from harness.evidence.works import Working, working

__all__ = ["Comparison", "Cost", "RecipeSummary", "RunScores", "Verdict", "decide"]

_KINDS: Mapping[tuple[bool, bool], VerdictKind] = {
    (True, True): "winner",
    (False, True): "inconclusive",
    (True, False): "tie",
    (False, False): "no_difference",
}
"""By whether family and recipe are settled, and whether any recipes differ."""


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

    Runs of one recipe are its seeds. Everything, the constant answer too, is over the examples that every
    recipe has a score for (`common_examples.py`). Oracles are summarised and take no part.

    Args:
        margin: a difference of scores below this does not matter.
        triage: what `harness diagnose` found before.
        constant: scores of the best answer that is the same for every example (`constant.py`).
        invocation: the command that the runs come from; the next step repeats what it names.
        noise: training noise that is known of recipes from elsewhere (earlier seeds, `--aa`); without it,
            what a trained recipe with one seed shows is provisional.

    Raises:
        ValueError: a score that is not a number within [0, 1].
    """
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
        verdict = nothing_works(frame, works, _arranged(candidates, frame.ranked[0].recipe))
    elif len(frame.ranked) < 2 or not candidates.pairs:
        verdict = nothing_to_compare(frame)
    else:
        verdict = _decided(frame, _choose(candidates, works))
    return random_model.said_of(verdict, frame.invocation)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    kind: VerdictKind
    best: str
    recommended: str
    leaders: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    minimum: float
    standing: Standing
    within: tuple[str, ...]
    """Leaders of the recommended recipe's family, the cheapest first."""
    settled_within: bool
    open_pairs: tuple[Comparison, ...]


def _choose(candidates: Candidates, works: Working) -> _Choice:
    best = candidates.ranked[0].recipe
    leaders = _leaders(candidates, best)
    fit = tuple(name for name in leaders if name in works.recipes) or leaders
    state, use, pool = _family(candidates, fit)
    cheapest = pool[0]
    different = any(pair.outcome in ("better", "worse") for pair in candidates.pairs)
    shown = (
        state != "open"
        and cheapest == _own(candidates, fit, use)[0]
        and candidates.settled(cheapest, leaders)
    )
    kind = _KINDS[shown, different]
    recommended = _meanwhile(candidates, pool, best) if kind == "inconclusive" else cheapest
    use = candidates.family(recommended)
    within = _own(candidates, fit, use)
    return _Choice(
        kind=kind,
        best=best,
        recommended=recommended,
        leaders=leaders,
        comparisons=_arranged(candidates, recommended),
        minimum=_minimum_detectable(candidates, leaders),
        standing=Standing(
            pairs=candidates,
            ranked=candidates.ranked,
            state=state,
            use=use,
            recommended=recommended,
            candidates=tuple(dict.fromkeys(candidates.family(name) for name in fit)),
        ),
        within=within,
        settled_within=recommended == within[0] and candidates.settled(recommended, within),
        open_pairs=_open_pairs(candidates, fit[0], leaders),
    )


def _open_pairs(candidates: Candidates, cheapest: str, leaders: tuple[str, ...]) -> tuple[Comparison, ...]:
    """The cheapest that may be best minus each other leader that it is not shown to be as good as."""
    others = [name for name in leaders if name != cheapest and not candidates.settled(cheapest, [name])]
    pairs = [candidates.between(cheapest, name) for name in others]
    return tuple(pair for pair in pairs if pair is not None)


def _own(candidates: Candidates, names: Sequence[str], family: Family) -> tuple[str, ...]:
    """Those of `names` that are of `family`, in their order."""
    return tuple(name for name in names if candidates.family(name) == family)


def _leaders(candidates: Candidates, best: str) -> tuple[str, ...]:
    """Recipes that may be best, the cheapest first."""
    leading = [
        s for s in candidates.ranked if s.recipe == best or _not_shown_worse(candidates, s.recipe, best)
    ]
    possible = unbeaten(candidates, candidates.ranked)
    leading = [s for s in leading if s.family in possible] or leading
    return tuple(s.recipe for s in sorted(leading, key=lambda s: s.rank_by_cost))


def _family(candidates: Candidates, leaders: tuple[str, ...]) -> tuple[FamilyState, Family, tuple[str, ...]]:
    """The state of the families, the one to use, and the recipes that may be recommended for it."""
    use = candidates.family(leaders[0])
    own = tuple(name for name in leaders if candidates.family(name) == use)
    others = [name for name in leaders if name not in own]
    if not others:
        alone = len({summary.family for summary in candidates.ranked}) == 1
        return ("only" if alone else "ahead"), use, own
    level = tuple(name for name in own if candidates.settled(name, others))
    return ("level", use, level) if level else ("open", use, leaders)


def _not_shown_worse(candidates: Candidates, recipe: str, best: str) -> bool:
    pair = candidates.between(recipe, best)
    return pair is None or pair.outcome != "worse"


def _meanwhile(candidates: Candidates, leaders: tuple[str, ...], best: str) -> str:
    """Until more is known: the cheapest leader that was observed within the margin of the best."""
    reference = best if best in leaders else max(leaders, key=lambda name: _mean(candidates, name))
    for leader in leaders:
        pair = candidates.between(leader, reference)
        if leader == reference or (pair is not None and pair.difference >= -candidates.margin):
            return leader
    return reference


def _mean(candidates: Candidates, recipe: str) -> float:
    return next(summary.mean for summary in candidates.ranked if summary.recipe == recipe)


def _arranged(candidates: Candidates, first: str) -> tuple[Comparison, ...]:
    """`first` against every other, then the other pairs, the higher mean minus the lower."""
    names = [first, *(s.recipe for s in candidates.ranked if s.recipe != first)]
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    compared = [candidates.between(a, b) for a, b in pairs]
    return tuple(comparison for comparison in compared if comparison is not None)


def _minimum_detectable(candidates: Candidates, leaders: tuple[str, ...]) -> float:
    """Of the median pair of leaders (of all pairs where one leads), never above what was just shown."""
    close = [pair for pair in candidates.pairs if {pair.recipe, pair.reference} <= set(leaders)]
    errors = sorted(
        (c.sampling_se**2 + (c.training_se or 0.0) ** 2) ** 0.5 for c in close or candidates.pairs
    )
    alpha = level_of_each(len(candidates.pairs))
    shown = [abs(pair.difference) for pair in candidates.pairs if pair.outcome in ("better", "worse")]
    return min(power.minimum_detectable(errors[len(errors) // 2], alpha), 1.0, *shown)


def _decided(frame: Frame, choice: _Choice) -> Verdict:
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
        n=min(comparison.n for comparison in choice.comparisons),
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
        notes=(within.sentence, *_notes(frame, families, within)),
        constant=frame.floor,
    )


def _notes(frame: Frame, families: Families, within: Within) -> list[str]:
    """What else belongs under the headline: other scorers that disagree, and what the score means."""
    claims = other_scorers.claims(families, within, frame.ranked)
    disagreements = other_scorers.disagreements(frame.tables, claims, frame.margin)
    return [*disagreements, *verdict_text.meaning(frame.primary, frame.summary(within.recommended))]

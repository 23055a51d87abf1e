"""The verdict: the cheapest recipe that is not worse than the best by the margin.

    best      the recipe with the highest mean (of equal ones the cheaper)
    leaders   the best, and every recipe that is not shown to be worse than it
    cheapest  the cheapest leader (`ordering.py`)

                                          cheapest shown not worse    not shown
                                          than any other leader
    some recipes differ measurably        winner                      inconclusive
    none do                               tie                         no_difference

"Differ measurably" is an interval that excludes 0 and is not inside the margin; "shown not worse" is
one whose low end is above minus the margin. All intervals of a verdict hold together at 95 %, so
that all its claims are right in at least 95 of 100 cases. docs/verdict.md explains every term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.decide import wording
from harness.decide.cautions import cautions
from harness.decide.compare import compare, flip, level_of_each
from harness.decide.next_step import recommend
from harness.decide.table import check_scores, gather, summarise
from harness.decide.triage import Triage
from harness.decide.values import Comparison, Cost, RecipeSummary, RunScores, Verdict, VerdictKind
from harness.stats import power
from harness.stats.seeds import TrainingNoise

__all__ = ["Comparison", "Cost", "RecipeSummary", "RunScores", "Verdict", "decide"]

_KINDS: Mapping[tuple[bool, bool], VerdictKind] = {
    (True, True): "winner",
    (False, True): "inconclusive",
    (True, False): "tie",
    (False, False): "no_difference",
}
"""By whether the cheapest leader is shown not to be worse, and whether any recipes differ."""
_SETTLED = ("better", "equivalent", "not_worse")


def decide(
    task: str,
    model: str,
    primary: str,
    margin: float,
    runs: Sequence[RunScores],
    *,
    triage: Triage | None = None,
    noise: Mapping[str, TrainingNoise] | None = None,
) -> Verdict:
    """The verdict over finished runs of one task and one model; a pure function of its arguments.

    Runs of one recipe are its seeds. Pairs are compared on the examples that every run of both
    recipes scored. Oracles are summarised and take no part. `noise` is the training noise that is
    known of recipes from elsewhere (earlier seeds, `--aa`); without it, what a trained recipe with one
    seed shows is provisional.

    Raises:
        ValueError: a score that is not a number within [0, 1].
    """
    check_scores(runs, primary)
    tables = gather(runs)
    summaries = tuple(summarise(tables, noise))
    candidates = [table for table in tables if not table.oracle]
    pairs = compare(candidates, margin, noise)
    ranked = [summary for summary in summaries if not summary.oracle]
    if len(ranked) < 2 or not pairs:
        return _nothing(task, model, primary, margin, summaries)
    choice = _choose(_Field(tuple(ranked), tuple(pairs), margin))
    story = wording.Story(
        task=task,
        margin=margin,
        kind=choice.kind,
        summaries=tuple(ranked),
        best=choice.best,
        recommended=choice.recommended,
        leaders=choice.leaders,
        comparisons=choice.comparisons,
        minimum=choice.minimum,
        left_out={table.recipe: table.left_out for table in candidates if table.left_out},
        oracles=tuple(summary for summary in summaries if summary.oracle),
    )
    chosen = next(summary for summary in ranked if summary.recipe == choice.recommended)
    following = recommend(chosen, ranked, triage)
    return Verdict(
        task=task,
        model=model,
        primary=primary,
        margin=margin,
        n=min(comparison.n for comparison in pairs),
        seeds=max(summary.seeds for summary in ranked),
        kind=choice.kind,
        winner=choice.recommended if choice.kind == "winner" else None,
        best=choice.best,
        recommended=choice.recommended,
        leaders=choice.leaders,
        sentence=wording.sentence(story),
        reasons=(*wording.reasons(story), *cautions(ranked, pairs)),
        summaries=summaries,
        comparisons=choice.comparisons,
        minimum_detectable_difference=choice.minimum,
        next_step=wording.open_step(story) if choice.kind == "no_difference" else following.step,
        evidence=following.evidence,
    )


@dataclass(frozen=True)
class _Field:
    """The candidates, highest mean first, and every pair of them."""

    ranked: tuple[RecipeSummary, ...]
    pairs: tuple[Comparison, ...]
    margin: float

    def between(self, recipe: str, reference: str) -> Comparison | None:
        """`recipe` minus `reference`; None where no example was scored for both."""
        for pair in self.pairs:
            if (pair.recipe, pair.reference) == (recipe, reference):
                return pair
            if (pair.reference, pair.recipe) == (recipe, reference):
                return flip(pair, self.margin, level_of_each(len(self.pairs)))
        return None


@dataclass(frozen=True, kw_only=True)
class _Choice:
    kind: VerdictKind
    best: str
    recommended: str
    leaders: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    minimum: float


def _choose(field: _Field) -> _Choice:
    best = field.ranked[0].recipe
    leading = [s for s in field.ranked if s.recipe == best or _not_shown_worse(field, s.recipe, best)]
    leaders = tuple(s.recipe for s in sorted(leading, key=lambda s: s.rank_by_cost))
    cheapest = leaders[0]
    against = [field.between(cheapest, leader) for leader in leaders[1:]]
    shown = all(found is not None and found.outcome in _SETTLED for found in against)
    different = any(pair.outcome in ("better", "worse") for pair in field.pairs)
    kind = _KINDS[shown, different]
    recommended = _meanwhile(field, leaders, best) if kind == "inconclusive" else cheapest
    return _Choice(
        kind=kind,
        best=best,
        recommended=recommended,
        leaders=leaders,
        comparisons=_arranged(field, recommended),
        minimum=_minimum_detectable(field, leaders),
    )


def _not_shown_worse(field: _Field, recipe: str, best: str) -> bool:
    found = field.between(recipe, best)
    return found is None or found.outcome != "worse"


def _meanwhile(field: _Field, leaders: tuple[str, ...], best: str) -> str:
    """Until more is known: the cheapest leader that was observed within the margin of the best."""
    for leader in leaders:
        found = field.between(leader, best)
        if leader == best or (found is not None and found.difference >= -field.margin):
            return leader
    return best


def _arranged(field: _Field, first: str) -> tuple[Comparison, ...]:
    """`first` against every other, then the other pairs, the higher mean minus the lower."""
    names = [first, *(s.recipe for s in field.ranked if s.recipe != first)]
    pairs = [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    found = [field.between(a, b) for a, b in pairs]
    return tuple(comparison for comparison in found if comparison is not None)


def _minimum_detectable(field: _Field, leaders: tuple[str, ...]) -> float:
    """Of the median pair of leaders (of all pairs where one leads); never above what was just shown."""
    close = [pair for pair in field.pairs if {pair.recipe, pair.reference} <= set(leaders)]
    errors = sorted((c.sampling_se**2 + (c.training_se or 0.0) ** 2) ** 0.5 for c in close or field.pairs)
    alpha = level_of_each(len(field.pairs))
    shown = [abs(pair.difference) for pair in field.pairs if pair.outcome in ("better", "worse")]
    return min(power.minimum_detectable(errors[len(errors) // 2], alpha), 1.0, *shown)


def _nothing(
    task: str, model: str, primary: str, margin: float, summaries: tuple[RecipeSummary, ...]
) -> Verdict:
    only = next((summary for summary in summaries if not summary.oracle), None)
    following = None if only is None else recommend(only, (only,))
    return Verdict(
        task=task,
        model=model,
        primary=primary,
        margin=margin,
        n=0 if only is None else only.n,
        seeds=0 if only is None else only.seeds,
        kind="nothing_to_compare",
        winner=None,
        best=None if only is None else only.recipe,
        recommended=None,
        leaders=(),
        sentence="Nothing to compare: a verdict needs two recipes that answered the same examples.",
        reasons=() if only is None else (wording.scored(only),),
        summaries=summaries,
        comparisons=(),
        minimum_detectable_difference=None,
        next_step="" if following is None else following.step,
        evidence=() if following is None else following.evidence,
    )

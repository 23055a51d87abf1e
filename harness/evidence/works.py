"""Which recipes work at all: distinguishable from 0, and from the best answer that is the same for every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.evidence.aggregate import RecipeScores
from harness.evidence.pairwise import compare, flip
from harness.evidence.planning import examples_needed, level_of_each
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats.intervals import wilson
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_types import Comparison, RecipeSummary

CONSTANT = "constant answer"
"""The name of the constant answer's row."""


@dataclass(frozen=True)
class Working:
    """Recipes that work, and each recipe minus the constant answer where that is known."""

    recipes: frozenset[str]
    over_constant: dict[str, Comparison]

    def unproven(self, best: RecipeSummary, margin: float) -> bool:
        """Whether `best` does better than the constant answer (or than 0), but possibly by chance: then it may
        work or not."""
        lead = self.over_constant.get(best.recipe)
        if lead is None:
            return best.mean > margin
        return lead.difference > margin and lead.low <= 0.0


def working(
    tables: Sequence[RecipeScores],
    ranked: Sequence[RecipeSummary],
    constant: RecipeScores | None,
    margin: float,
    noise: Mapping[str, TrainingNoise] | None = None,
) -> Working:
    """Which of `ranked` work.

    A score differs from 0 when the low end of its interval, which respects groups and seeds and holds together with
    those of the other recipes, is above the margin, and from the constant answer when the difference is shown to be better. All recipes are compared with the
    constant answer and with one another at once, so that the best of many does not look better by chance.
    """
    lows = {summary.recipe: summary.low for summary in ranked}
    above_zero = {table.recipe for table in tables if _least(table, lows[table.recipe]) > margin}
    if constant is None:
        return Working(frozenset(above_zero), {})
    pairs = compare([*tables, constant], margin, noise)
    alpha = level_of_each(len(pairs))
    leads = [
        pair if pair.reference == constant.recipe else flip(pair, margin, alpha)
        for pair in pairs
        if constant.recipe in (pair.recipe, pair.reference)
    ]
    against = {pair.recipe: _to_beat(pair, alpha) for pair in leads}
    better = {name for name, pair in against.items() if pair.outcome == "better"}
    unknown = {summary.recipe for summary in ranked} - set(against)
    return Working(frozenset(above_zero & (better | unknown)), against)


def _to_beat(pair: Comparison, alpha: float) -> Comparison:
    """The comparison with the examples that would show it better: not worse than the constant answer is not enough."""
    needed = 0 if pair.outcome == "better" else examples_needed(pair, 0.0, alpha)
    return replace(pair, examples_needed=needed)


def _least(table: RecipeScores, low: float) -> float:
    """The low end of a recipe's score. One group says nothing about others, as the verdict notes; but it does
    show whether its own answers are right at all."""
    n = len(table.ids)
    if by_cluster.count(table.clusters(table.ids)) < 2:
        return wilson(float(table.values.mean()) * n, n)[0]
    return low

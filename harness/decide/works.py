"""Which recipes work at all: told from 0, and from the best answer that is the same for every example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.decide.compare import compare, flip, level_of_each
from harness.decide.table import RecipeScores
from harness.decide.values import Comparison, RecipeSummary
from harness.stats.intervals import wilson
from harness.stats.seeds import TrainingNoise

CONSTANT = "constant answer"
"""What the row of the constant answer is called."""


@dataclass(frozen=True)
class Working:
    """Recipes that work, and each recipe minus the constant answer where that is known."""

    recipes: frozenset[str]
    over_constant: dict[str, Comparison]


def working(
    tables: Sequence[RecipeScores],
    ranked: Sequence[RecipeSummary],
    constant: RecipeScores | None,
    margin: float,
    noise: Mapping[str, TrainingNoise] | None = None,
) -> Working:
    """Which of `ranked` work.

    A score is told from 0 when the low end of its Wilson interval is above the margin, and from the
    constant answer when the difference is shown to be better. All recipes are compared with the
    constant answer and with one another at once, so that the best of many is not taken for better by chance.
    """
    above_zero = {s.recipe for s in ranked if s.n and wilson(s.mean * s.n, s.n)[0] > margin}
    if constant is None:
        return Working(frozenset(above_zero), {})
    pairs = compare([*tables, constant], margin, noise)
    alpha = level_of_each(len(pairs))
    against: dict[str, Comparison] = {}
    for pair in pairs:
        if pair.reference == constant.recipe:
            against[pair.recipe] = pair
        elif pair.recipe == constant.recipe:
            against[pair.reference] = flip(pair, margin, alpha)
    better = {name for name, pair in against.items() if pair.outcome == "better"}
    unknown = {summary.recipe for summary in ranked} - set(against)
    return Working(frozenset(above_zero & (better | unknown)), against)

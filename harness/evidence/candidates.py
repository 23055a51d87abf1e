"""The candidates of a verdict and every pair of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.evidence.families import SETTLED
from harness.evidence.pairwise import flip
from harness.evidence.planning import level_of_each
from harness.evidence.stats.clusters import FEW_GROUPS
from harness.evidence.verdict_types import Comparison, Family, RecipeSummary

FEW_EXAMPLES = 30
"""A recipe that is right on fewer may well be wrong on one answer in ten: 0.9³⁰ is 0.04."""


@dataclass(frozen=True)
class Candidates:
    """The candidates, highest mean first, and every pair of them."""

    ranked: tuple[RecipeSummary, ...]
    pairs: tuple[Comparison, ...]
    margin: float

    def between(self, recipe: str, reference: str) -> Comparison | None:
        """`recipe` minus `reference`; None if no example was scored for both."""
        for pair in self.pairs:
            if (pair.recipe, pair.reference) == (recipe, reference):
                return pair
            if (pair.reference, pair.recipe) == (recipe, reference):
                return flip(pair, self.margin, level_of_each(len(self.pairs)))
        return None

    def family(self, recipe: str) -> Family:
        return next(summary.family for summary in self.ranked if summary.recipe == recipe)

    def settled(self, recipe: str, others: Sequence[str]) -> bool:
        """Whether `recipe` is shown not to be worse than any of `others`. Nothing beats a recipe that has
        every answer right, unless the answers are few or come from a few groups."""
        perfect = next(
            summary.mean >= 1.0 and not summary.missing for summary in self.ranked if summary.recipe == recipe
        )
        claims = [self.between(recipe, other) for other in others if other != recipe]
        return all(
            pair is not None and (pair.outcome in SETTLED or (perfect and not _too_few(pair)))
            for pair in claims
        )


def _too_few(pair: Comparison) -> bool:
    """Whether "every answer right" may be luck."""
    return pair.n < FEW_EXAMPLES or pair.groups < min(FEW_GROUPS, pair.n)

"""The inputs of every kind of verdict."""

from __future__ import annotations

from dataclasses import dataclass

from harness.evidence.aggregate import RecipeScores
from harness.evidence.command import Invocation
from harness.evidence.triage import Triage
from harness.evidence.verdict_types import RecipeSummary


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Summaries, scores and surroundings of the runs of one task and one model."""

    task: str
    model: str
    primary: str
    margin: float
    triage: Triage | None
    invocation: Invocation
    summaries: tuple[RecipeSummary, ...]
    ranked: tuple[RecipeSummary, ...]
    """The candidates, highest mean first."""
    tables: tuple[RecipeScores, ...]
    floor: RecipeSummary | None
    """The constant answer."""
    once: tuple[str, ...]
    """Recipes trained with one seed whose training noise is not known."""

    def summary(self, recipe: str) -> RecipeSummary:
        return next(summary for summary in self.ranked if summary.recipe == recipe)

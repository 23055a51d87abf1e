"""What every kind of verdict is made from."""

from __future__ import annotations

from dataclasses import dataclass

from harness.decide.command import Invocation
from harness.decide.table import RecipeScores
from harness.decide.triage import Triage
from harness.decide.values import RecipeSummary


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

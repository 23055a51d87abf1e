"""Parts of a recipe's summary besides its score: family, fields, answers that are all alike."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from harness.evidence import families
from harness.evidence.aggregate import RecipeScores
from harness.evidence.verdict_types import CommonAnswer, RecipeSummary, RunScores


def described(summaries: Sequence[RecipeSummary], tables: Sequence[RecipeScores]) -> list[RecipeSummary]:
    """The same summaries, in the same order, with the facts from their runs besides scores."""
    by_recipe = {table.recipe: table for table in tables}
    return [_described(summary, by_recipe[summary.recipe]) for summary in summaries]


def _described(summary: RecipeSummary, table: RecipeScores) -> RecipeSummary:
    runs = table.runs
    least = min(runs, key=lambda run: run.lessons - run.lessons_offered)
    names = dict.fromkeys(name for run in runs for name in run.fields)
    return dataclasses.replace(
        summary,
        family=families.of_run(runs[0]),
        entirely_right=float((table.values >= 1.0).mean()),
        common_answer=_most_common([run.common_answer for run in runs]),
        fields={name: statistics.fmean(run.fields.get(name, 0.0) for run in runs) for name in names},
        run=max(runs, key=_mean).run,
        lessons=least.lessons,
        lessons_offered=least.lessons_offered,
        why_dropped=least.why_dropped,
    )


def _most_common(answers: Sequence[CommonAnswer | None]) -> CommonAnswer | None:
    known = [answer for answer in answers if answer is not None and answer.n]
    return max(known, key=lambda answer: answer.count / answer.n, default=None)


def _mean(run: RunScores) -> float:
    known = [value for value in run.values if value is not None]
    return statistics.fmean(known) if known else 0.0

"""Runs gathered by recipe: scores as a matrix of seeds × examples, costs as medians."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from harness.core import score_range
from harness.evidence.cost_order import cheapest_first, trained
from harness.evidence.mean_intervals import of_means
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import seeds, simultaneous
from harness.evidence.stats.intervals import LEVEL
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_types import Cost, RecipeSummary, RunScores


@dataclass(frozen=True, kw_only=True)
class RecipeScores:
    """Scores of one recipe: `values` is (seeds, n), without the examples that any seed lacks."""

    recipe: str
    ids: tuple[str, ...]
    groups: Mapping[str, str | None]
    values: Floats
    binary: bool
    left_out: int
    """Examples without a score in some seed (execution errors, skipped)."""
    runs: tuple[RunScores, ...]

    @property
    def oracle(self) -> bool:
        return any(run.oracle for run in self.runs)

    @property
    def planned(self) -> int | None:
        """Examples that would have been asked, where answering stopped before, once the verdict was sure."""
        return max((run.planned for run in self.runs if run.planned is not None), default=None)

    @property
    def seeds(self) -> int:
        return len(self.values)

    @property
    def seeded(self) -> bool:
        """Whether another seed would give another score: there were several seeds, or something was trained."""
        return self.seeds > 1 or self.trained

    @property
    def trained(self) -> bool:
        return any(trained(run.cost) for run in self.runs)

    @cached_property
    def trainings(self) -> tuple[str, ...]:
        """The trainings whose weights answered, one per seed, sorted; empty unless all are known."""
        names = {run.weights for run in self.runs}
        known = sorted(name for name in names if name is not None)
        return tuple(known) if len(known) == len(self.runs) else ()

    def shares_weights(self, other: RecipeScores) -> bool:
        """Whether both use the same trained weights, so that training noise is common to both."""
        return bool(self.trainings) and self.trainings == other.trainings

    def by_training(self) -> list[int]:
        """Rows of `values` in the order of `trainings`."""
        return [index for index, _ in sorted(enumerate(self.runs), key=lambda item: str(item[1].weights))]

    def trained_once(self, granted: Mapping[str, TrainingNoise]) -> bool:
        """Whether it was trained with one seed, and its noise was never measured."""
        return self.trained and self.seeds == 1 and self.recipe not in granted

    def on(self, ids: Sequence[str]) -> Floats:
        """The columns of `ids`, in that order: (seeds, len(ids))."""
        if tuple(ids) == self.ids:
            return self.values
        column_of = {id_: column for column, id_ in enumerate(self.ids)}
        return self.values[:, [column_of[id_] for id_ in ids]]

    def clusters(self, ids: Sequence[str]) -> by_cluster.Codes:
        """The cluster of each of `ids`: (len(ids),)."""
        return self._all_clusters if tuple(ids) == self.ids else self._codes(ids)

    @cached_property
    def noise(self) -> TrainingNoise | None:
        """The training noise that its own seeds show; None with one seed."""
        return seeds.training_noise(self.values, self.clusters(self.ids))

    @cached_property
    def _all_clusters(self) -> by_cluster.Codes:
        return self._codes(self.ids)

    def _codes(self, ids: Sequence[str]) -> by_cluster.Codes:
        return by_cluster.codes([self.groups[id_] for id_ in ids])


def gather(runs: Sequence[RunScores]) -> list[RecipeScores]:
    """One entry per recipe that has a score at all, in order of first appearance."""
    by_recipe: dict[str, list[RunScores]] = {}
    for run in runs:
        if any(value is not None for value in run.values):
            by_recipe.setdefault(run.recipe, []).append(run)
    tables = [_gathered(recipe, members) for recipe, members in by_recipe.items()]
    return [table for table in tables if table.ids]


def check_scores(runs: Sequence[RunScores], primary: str) -> None:
    """Reject scores that the intervals here do not support.

    Raises:
        ValueError: a score of `primary` that is not a number within [0, 1].
    """
    for run in runs:
        for id_, value in zip(run.ids, run.values, strict=True):
            if not score_range.valid(value):
                raise ValueError(
                    f"{run.recipe}, example {id_}: {primary} is {value}, not a score within [0, 1]"
                )


def _gathered(recipe: str, runs: list[RunScores]) -> RecipeScores:
    scores = [{i: v for i, v in zip(run.ids, run.values, strict=True) if v is not None} for run in runs]
    asked = set().union(*(run.ids for run in runs))
    shared = set.intersection(*(set(known) for known in scores))
    ids = tuple(sorted(shared))
    groups = {i: g for run in runs for i, g in zip(run.ids, run.groups, strict=True)}
    return RecipeScores(
        recipe=recipe,
        ids=ids,
        groups=groups,
        values=np.array([[known[i] for i in ids] for known in scores], dtype=np.float64),
        binary=all(run.binary for run in runs),
        left_out=len(asked) - len(ids),
        runs=tuple(runs),
    )


def pooled_noise(tables: Sequence[RecipeScores]) -> TrainingNoise | None:
    """Training noise over all recipes with several seeds, combined with the prior; None without any."""
    return seeds.with_prior(_measured(tables))


def _measured(tables: Sequence[RecipeScores]) -> TrainingNoise | None:
    return seeds.pool([table.noise for table in tables])


def granted_noise(
    tables: Sequence[RecipeScores], floors: Mapping[str, TrainingNoise]
) -> dict[str, TrainingNoise]:
    """Training noise that each recipe is granted at least: the pooled noise of all recipes' seeds, and its own
    floor from elsewhere. Recipes that no seed changes, or about which nothing is known, have no entry."""
    pooled = _measured(tables)
    granted = {
        table.recipe: seeds.with_prior(seeds.pool([pooled, floors.get(table.recipe)]))
        for table in tables
        if table.seeded
    }
    return {recipe: noise for recipe, noise in granted.items() if noise is not None}


def assumed_noise(
    tables: Sequence[RecipeScores], granted: Mapping[str, TrainingNoise]
) -> dict[str, TrainingNoise]:
    """`granted`, plus the noise assumed for recipes trained with one seed and never measured."""
    once = {table.recipe: seeds.ASSUMED for table in tables if table.trained_once(granted)}
    return once | dict(granted)


def means_covariance(tables: Sequence[RecipeScores], granted: Mapping[str, TrainingNoise]) -> Floats | None:
    """Covariance of the recipes' means, (r, r), over the examples that all have a score for; None if there are
    too few of them."""
    ids = sorted(set.intersection(*(set(table.ids) for table in tables))) if tables else []
    if len(ids) < 2:
        return None
    clusters = tables[0].clusters(ids)
    if by_cluster.count(clusters) < 2:
        return None
    columns = np.stack([table.on(ids).mean(axis=0) for table in tables], axis=1)
    residuals = by_cluster.adjusted_residuals(columns, clusters)
    sampling = residuals.T @ residuals / len(ids) ** 2
    training = [granted[t.recipe].variance / t.seeds if t.recipe in granted else 0.0 for t in tables]
    common = [[a is b or a.shares_weights(b) for b in tables] for a in tables]
    moved = np.sqrt(np.outer(training, training)) * np.array(common)
    covariance: Floats = sampling + moved + np.eye(len(tables)) / len(ids) ** 2
    return covariance


def summarise(
    tables: Sequence[RecipeScores], floors: Mapping[str, TrainingNoise] | None = None
) -> list[RecipeSummary]:
    """Summaries, highest mean first; of equal means, the cheaper first.

    Means are comparable if the tables hold the same examples (`common_examples.py`).
    """
    if not tables:
        return []
    costs = {table.recipe: median_cost([run.cost for run in table.runs]) for table in tables}
    rank = {recipe: number for number, recipe in enumerate(cheapest_first(costs), start=1)}
    granted = assumed_noise(tables, granted_noise(tables, floors or {}))
    covariance = means_covariance(tables, granted)
    level = simultaneous.bonferroni(len(tables))
    if covariance is not None:
        names = [table.recipe for table in tables]
        level = simultaneous.level_of_named(names, covariance, np.eye(len(tables)))
    intervals = of_means(tables, [granted.get(table.recipe) for table in tables], level)
    summaries = [
        _summary(table, ends, costs[table.recipe], rank[table.recipe])
        for table, ends in zip(tables, intervals, strict=True)
    ]
    return sorted(summaries, key=lambda summary: (-summary.mean, summary.rank_by_cost))


def _summary(table: RecipeScores, interval: tuple[float, float], cost: Cost, rank: int) -> RecipeSummary:
    means = table.values.mean(axis=1)
    return RecipeSummary(
        recipe=table.recipe,
        seeds=table.seeds,
        n=len(table.ids),
        mean=float(table.values.mean()),
        low=interval[0],
        high=interval[1],
        seed_sd=float(means.std(ddof=1)) if table.seeds > 1 else None,
        valid_strict=statistics.fmean(run.valid_strict for run in table.runs),
        valid_extracted=statistics.fmean(run.valid_extracted for run in table.runs),
        cost=cost,
        failures=dict(sum((Counter(run.failures) for run in table.runs), Counter()).most_common()),
        rank_by_cost=rank,
        oracle=table.oracle,
        missing=table.left_out,
        worst_case=_worst_case(table) if table.left_out else None,
        planned=table.planned,
    )


def _worst_case(table: RecipeScores) -> float:
    """Mean score over every example that was asked, a missing answer counted as wrong."""
    asked = len(set().union(*(run.ids for run in table.runs)))
    return statistics.fmean(sum(value or 0.0 for value in run.values) / asked for run in table.runs)


def mean_interval(table: RecipeScores, noise: TrainingNoise | None = None) -> tuple[float, float]:
    """95 % interval of one recipe's mean score; see `mean_intervals`."""
    return mean_intervals([table], noise)[0]


def mean_intervals(
    tables: Sequence[RecipeScores], noise: TrainingNoise | None, *, level: float = LEVEL
) -> list[tuple[float, float]]:
    """Intervals of mean scores, within [0, 1], each at `level`.

    Wilson for 0/1 scores of one run; for graded ones the outer ends of BCa and of Wilson's interval
    with the effective sample size; the latter alone with groups or seeds. `noise` is the training noise
    granted to each recipe that another seed would change; without it, that of a recipe trained with one
    seed is assumed (`stats.seeds.ASSUMED`).
    """
    granted = {table.recipe: noise for table in tables if table.seeded and noise is not None}
    assumed = assumed_noise(tables, granted)
    return of_means(tables, [assumed.get(table.recipe) for table in tables], level)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Field by field, over the runs that measured it."""
    medians: dict[str, Any] = {}  # the fields of `Cost`, each with its own type
    for column in fields(Cost):
        known = [value for cost in costs if (value := getattr(cost, column.name)) is not None]
        medians[column.name] = statistics.median(known) if known else None
    for name in ("trainable_parameters", "bytes_to_ship", "peak_memory_bytes"):
        medians[name] = None if medians[name] is None else int(medians[name])
    return Cost(**medians)

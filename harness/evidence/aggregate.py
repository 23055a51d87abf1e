"""Runs gathered by recipe: scores as a matrix of seeds × examples, costs as medians."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from harness.evidence.cost_order import cheapest_first, trained
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import seeds
from harness.evidence.stats.intervals import bca, student, wilson
from harness.evidence.stats.resampling import Floats
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
    def seeds(self) -> int:
        return len(self.values)

    @property
    def seeded(self) -> bool:
        """Whether another seed would give another score: several did, or something was trained."""
        return self.seeds > 1 or any(trained(run.cost) for run in self.runs)

    def on(self, ids: Sequence[str]) -> Floats:
        """The columns of `ids`, in that order: (seeds, len(ids))."""
        place = {id_: column for column, id_ in enumerate(self.ids)}
        return self.values[:, [place[id_] for id_ in ids]]

    def clusters(self, ids: Sequence[str]) -> by_cluster.Codes:
        return by_cluster.codes([self.groups[id_] for id_ in ids])


def gather(runs: Sequence[RunScores]) -> list[RecipeScores]:
    """One entry per recipe that has a score at all, in order of first appearance."""
    by_recipe: dict[str, list[RunScores]] = {}
    for run in runs:
        if any(value is not None for value in run.values):
            by_recipe.setdefault(run.recipe, []).append(run)
    tables = [_gathered(recipe, members) for recipe, members in by_recipe.items()]
    return [table for table in tables if table.ids]


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


def pooled_noise(tables: Sequence[RecipeScores]) -> seeds.TrainingNoise | None:
    """Training noise over all recipes with several seeds; None when there is none."""
    return seeds.pool([seeds.training_noise(table.values, table.clusters(table.ids)) for table in tables])


def summarise(tables: Sequence[RecipeScores]) -> list[RecipeSummary]:
    """Summaries, the highest mean first; of equal means the cheaper first."""
    costs = {table.recipe: median_cost([run.cost for run in table.runs]) for table in tables}
    rank = {recipe: place for place, recipe in enumerate(cheapest_first(costs), start=1)}
    noise = pooled_noise(tables)
    rows = zip(tables, mean_intervals(tables, noise), strict=True)
    found = [_summary(table, ends, costs[table.recipe], rank[table.recipe]) for table, ends in rows]
    return sorted(found, key=lambda summary: (-summary.mean, summary.rank_by_cost))


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
    )


def mean_interval(table: RecipeScores, noise: seeds.TrainingNoise | None = None) -> tuple[float, float]:
    """95 % interval of one recipe's mean score; see `mean_intervals`."""
    return mean_intervals([table], noise)[0]


def mean_intervals(
    tables: Sequence[RecipeScores], noise: seeds.TrainingNoise | None
) -> list[tuple[float, float]]:
    """95 % intervals of mean scores, within [0, 1], with clusters and seeds where there are any.

    Wilson for 0/1 scores (with the effective sample size) and where nothing varies; BCa for
    graded scores of one run, all recipes on shared resamples; Student's t otherwise. `noise` is
    the training noise granted to each recipe that another seed would change.
    """
    found = [_analytic_interval(table, noise if table.seeded else None) for table in tables]
    alike: dict[int, list[int]] = {}
    for place, ends in enumerate(found):
        if ends is None:
            alike.setdefault(len(tables[place].ids), []).append(place)
    for places in alike.values():
        low, high = bca(np.stack([tables[place].values[0] for place in places], axis=1))
        for column, place in enumerate(places):
            found[place] = float(low[column]), float(high[column])
    return [ends for ends in found if ends is not None]


def _analytic_interval(table: RecipeScores, noise: seeds.TrainingNoise | None) -> tuple[float, float] | None:
    """Wilson's or Student's interval; None where the bootstrap is called for."""
    n, clusters = len(table.ids), table.clusters(table.ids)
    estimate = seeds.mean(table.values, clusters, noise)
    if table.binary or estimate.se == 0.0:
        spread = estimate.mean * (1 - estimate.mean)
        effective = min(float(n), spread / estimate.se**2) if estimate.se > 0 and spread > 0 else float(n)
        return wilson(estimate.mean * effective, effective)
    if by_cluster.count(clusters) == n and estimate.training_se is None:
        return None
    low, high = student(estimate.mean, estimate.se, estimate.df)
    return max(0.0, low), min(1.0, high)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Field by field, over the runs that measured it."""
    found: dict[str, Any] = {}
    for column in fields(Cost):
        known = [value for cost in costs if (value := getattr(cost, column.name)) is not None]
        found[column.name] = statistics.median(known) if known else None
    for name in ("trainable_parameters", "bytes_to_ship", "peak_memory_bytes"):
        found[name] = None if found[name] is None else int(found[name])
    return Cost(**found)

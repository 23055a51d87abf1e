"""Intervals of recipes' mean scores, over the draw of examples and over repeated training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.evidence.anytime import claims
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import seeds
from harness.evidence.stats.intervals import bca, score_interval, t_quantile, wilson
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise


class Scores(Protocol):
    """Scores of one recipe (`aggregate.RecipeScores`)."""

    @property
    def ids(self) -> Sequence[str]: ...

    @property
    def values(self) -> Floats:
        """(seeds, n)."""

    @property
    def binary(self) -> bool: ...

    @property
    def seeds(self) -> int: ...

    @property
    def groups(self) -> Mapping[str, str | None]: ...

    @property
    def planned(self) -> int | None: ...

    @property
    def noise(self) -> TrainingNoise | None:
        """The training noise that its own seeds show."""

    def clusters(self, ids: Sequence[str]) -> by_cluster.Codes: ...


@dataclass(frozen=True)
class OneRun:
    """Scores of a single run, of which only its own answers are known.

    Args:
        values: (1, n) within [0, 1].
        groups: Example → its group; None: it stands alone.
    """

    values: Floats
    groups: Mapping[str, str | None]
    seeds = 1
    planned = noise = None

    @property
    def ids(self) -> Sequence[str]:
        return list(self.groups)

    @property
    def binary(self) -> bool:
        return bool(np.isin(self.values, (0.0, 1.0)).all())

    def clusters(self, ids: Sequence[str]) -> by_cluster.Codes:
        return by_cluster.codes([self.groups[id_] for id_ in ids])


_IMAGINARY_EXAMPLES, _IMAGINARY_GROUPS = 3.0, 0.5
"""Prior weight added to the observed variance: examples (or groups) whose points are all won or all lost.
Simulated in docs/simulations.md: with less, mostly-zero scores of 30 examples
and rates over ten groups cover too little."""


def of_means(
    tables: Sequence[Scores], noises: Sequence[TrainingNoise | None], level: float
) -> list[tuple[float, float]]:
    """Interval of each table's mean score, within [0, 1], at `level`.

    Graded scores of one run share their resamples where they share their size. Of a recipe whose answering stopped
    once the verdict was sure, it is a confidence sequence.

    Args:
        tables: scores of the recipes.
        noises: the least training noise assumed for each; None: what its own seeds show.
    """
    intervals, alike = [], dict[int, list[int]]()
    for index, table in enumerate(tables):
        if table.planned is not None:
            groups = [table.groups[id_] for id_ in table.ids]
            intervals.append(claims.mean_interval(table, groups, len(tables)))
            continue
        intervals.append(_of_examples(table, level))
        plain = table.seeds == 1 and not table.binary
        if plain and table.values.std() > 0 and by_cluster.count(table.clusters(table.ids)) == len(table.ids):
            alike.setdefault(len(table.ids), []).append(index)
    for places in alike.values():
        low, high = bca(np.stack([tables[index].values[0] for index in places], axis=1), level=level)
        for index, *ends in zip(places, low.tolist(), high.tolist(), strict=True):
            intervals[index] = min(intervals[index][0], ends[0]), max(intervals[index][1], ends[1])
    rows = zip(tables, intervals, noises, strict=True)
    return [_with_training(table, ends, noise, level) for table, ends, noise in rows]


def _of_examples(table: Scores, level: float) -> tuple[float, float]:
    """The uncertainty from the draw of examples: Wilson's interval, with the effective sample size unless each
    example is one independent 0 or 1."""
    n, clusters = len(table.ids), table.clusters(table.ids)
    groups = by_cluster.count(clusters)
    mean = min(max(float(table.values.mean()), 0.0), 1.0)
    if table.binary and groups == n and table.seeds == 1:
        return wilson(mean * n, n, level)
    if groups < 2:
        return 0.0, 1.0
    alike = by_cluster.effective_count(clusters)
    if mean in (0.0, 1.0):
        return wilson(mean * alike, alike, level)
    weight = _IMAGINARY_EXAMPLES if groups == n else _IMAGINARY_GROUPS
    values = table.values.mean(axis=0)
    df = by_cluster.degrees_of_freedom(clusters, by_cluster.within_correlation(values, clusters))
    unseen = weight * mean * (1 - mean) / alike
    variance = (float(by_cluster.mean_variance(values, clusters)[0]) * df + unseen) / (df + weight)
    most = float(n) if table.binary else np.inf
    return score_interval(mean, variance, df, most=most, level=level)


def _with_training(
    table: Scores, ends: tuple[float, float], granted: TrainingNoise | None, level: float
) -> tuple[float, float]:
    """The interval over examples, each end moved out by the training noise.

    The two add up like the sides of a right triangle (Zou and Donner 2008, "Construction of confidence
    limits about effect measures: a general approach"), so that an end near 0 or 1 stays there.
    """
    noise = seeds.larger(table.noise, granted)
    if noise is None:
        return max(0.0, ends[0]), min(1.0, ends[1])
    mean = float(table.values.mean())
    more = t_quantile(0.5 + level / 2, noise.df) * math.sqrt(noise.variance / table.seeds)
    low, high = mean - math.hypot(mean - ends[0], more), mean + math.hypot(ends[1] - mean, more)
    return max(0.0, low), min(1.0, high)

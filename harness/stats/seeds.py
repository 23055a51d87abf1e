"""Seeds as a second level: noise of the test set and noise of training, kept apart.

A trained method's score of example i under seed s is modelled as

    score = method + example_i + seed_s + noise_is

The mean over n examples and S seeds then has variance σ²_example/n + σ²_seed/S + σ²_noise/(nS).
The first and last are seen in the spread over examples, the second in the spread of the seeds'
means beyond what the noise explains. More test examples shrink the first, more seeds the second.
Sources: Searle, Casella and McCulloch 1992, "Variance Components"; Satterthwaite 1946 for the
degrees of freedom; Miller 2024, section on resampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.stats import clusters as by_cluster
from harness.stats.clusters import Codes
from harness.stats.intervals import LEVEL, student
from harness.stats.resampling import Floats


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean or mean difference; `training_se` is None where no method had two seeds."""

    mean: float
    sampling_se: float
    training_se: float | None
    df: float

    @property
    def se(self) -> float:
        return math.hypot(self.sampling_se, self.training_se or 0.0)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        return student(self.mean, self.se, self.df, level)

    @property
    def p(self) -> float:
        """Two-sided p-value of "the true value is 0"."""
        if self.se == 0.0:
            return 1.0 if self.mean == 0.0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.se, self.df))


def training_variance(values: Floats, clusters: Codes) -> tuple[float, float] | None:
    """Variance of the mean that comes from S seeds, and its degrees of freedom S - 1.

    `values` is (S, n). The spread of the seeds' means, less what noise on single examples
    explains, never below 0; None with one seed.
    """
    seeds = len(values)
    if seeds < 2:
        return None
    spread = float(values.mean(axis=1).var(ddof=1))
    residuals = values - values.mean(axis=0)
    noise = by_cluster.mean_variance(residuals.T, clusters)
    explained = float(np.nan_to_num(noise).mean()) * seeds / (seeds - 1)
    return max(0.0, spread - explained) / seeds, seeds - 1.0


def mean(values: Floats, clusters: Codes) -> Estimate:
    """Mean score of one method; `values` is (S, n), one row per seed."""
    return _estimate(values.mean(axis=0), clusters, [training_variance(values, clusters)])


def difference(first: Floats, second: Floats, clusters: Codes) -> Estimate:
    """Mean of `first` (S, n) minus `second` (T, n), paired by example; seeds are not paired."""
    parts = [training_variance(first, clusters), training_variance(second, clusters)]
    return _estimate(first.mean(axis=0) - second.mean(axis=0), clusters, parts)


def _estimate(per_example: Floats, clusters: Codes, training: list[tuple[float, float] | None]) -> Estimate:
    sampling = float(np.nan_to_num(by_cluster.mean_variance(per_example, clusters)[0]))
    parts = [(sampling, max(by_cluster.count(clusters) - 1.0, 1.0))]
    parts += [part for part in training if part is not None]
    total = sum(variance for variance, _ in parts)
    weights = sum(variance**2 / df for variance, df in parts)
    seen = any(part is not None for part in training)
    return Estimate(
        mean=float(per_example.mean()),
        sampling_se=math.sqrt(sampling),
        training_se=math.sqrt(sum(part[0] for part in training if part)) if seen else None,
        df=total**2 / weights if weights > 0 else parts[0][1],
    )

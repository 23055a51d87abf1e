"""Seeds as a second level: noise of the test set and noise of training, kept apart.

A trained method's score of example i under seed s is modeled as

    score = method + example_i + seed_s + noise_is

The mean over n examples and S seeds then has variance σ²_example/n + σ²_seed/S + σ²_noise/(nS).
The first and last are seen in the spread over examples, the second in the spread of the seeds'
means beyond what the noise explains. More test examples shrink the first, more seeds the second.
Sources: Searle, Casella and McCulloch 1992, "Variance Components"; Satterthwaite 1946 for the
degrees of freedom; Miller 2024, section on resampling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats.clusters import Codes
from harness.evidence.stats.intervals import LEVEL, student, t_tails
from harness.evidence.stats.resampling import Floats


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean or mean difference; `training_se` is None if no method's training noise is known.

    `sampling_se` is infinite where all examples share one group: they say nothing of other groups.
    """

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
        return t_tails(self.mean / self.se, self.df)


@dataclass(frozen=True)
class TrainingNoise:
    """Variance of a method's mean score from one seed to another, and its degrees of freedom."""

    variance: float
    df: float


ASSUMED = TrainingNoise(0.04**2, math.inf)
"""The noise assumed for a recipe trained with one seed if nothing was measured: runs of one recipe that differ
only in the seed scatter with a standard deviation of 4 points. docs/verdict.md says where
the number comes from."""

_PRIOR = TrainingNoise(0.02**2, 1.0)
"""Prior on training noise, worth one more run: two or three runs may agree by chance."""


def training_noise(values: Floats, clusters: Codes) -> TrainingNoise | None:
    """From the scores of S seeds, (S, n); None with one seed.

    The spread of the seeds' means, less what noise on single examples explains, but at least
    half of that spread: seeds that agree by chance would otherwise show no noise at all, and
    in simulations of two to five seeds with a spread of up to 4 points the intervals then
    covered as little as 91 %, and now cover 93 % or more.
    """
    seeds = len(values)
    if seeds < 2:
        return None
    spread = float(values.mean(axis=1).var(ddof=1))
    residuals = values - values.mean(axis=0)
    noise = by_cluster.mean_variance(residuals.T, clusters)
    explained = float(np.nan_to_num(noise).mean()) * seeds / (seeds - 1)
    return TrainingNoise(max(spread - explained, spread / 2), seeds - 1.0)


def pool(parts: Sequence[TrainingNoise | None]) -> TrainingNoise | None:
    """Training noise over several methods, weighted by their degrees of freedom.

    Two or three seeds say little about their own spread: sometimes they agree by chance, and the interval of a
    noisy method is far too short. All methods together say more.
    """
    known = [part for part in parts if part is not None]
    df = sum(part.df for part in known)
    return TrainingNoise(sum(part.df * part.variance for part in known) / df, df) if known else None


def with_prior(measured: TrainingNoise | None) -> TrainingNoise | None:
    """The measured noise combined with one more run's worth of 2 points; None if nothing was measured."""
    return None if measured is None else pool([measured, _PRIOR])


def mean(values: Floats, clusters: Codes, pooled: TrainingNoise | None = None) -> Estimate:
    """Mean score of one method; `values` is (S, n), one row per seed."""
    noise = larger(training_noise(values, clusters), pooled)
    return _estimate(values.mean(axis=0), clusters, [(noise, len(values))])


def difference(
    first: Floats,
    second: Floats,
    clusters: Codes,
    pooled: tuple[TrainingNoise | None, TrainingNoise | None] = (None, None),
) -> Estimate:
    """Mean of `first` (S, n) minus `second` (T, n), paired by example; seeds are not paired.

    `pooled` is the least training noise assumed for each (None: what its seeds show).
    """
    noises = [
        larger(training_noise(side, clusters), least)
        for side, least in zip((first, second), pooled, strict=True)
    ]
    return of_differences(
        first.mean(axis=0) - second.mean(axis=0), clusters, (noises[0], len(first)), (noises[1], len(second))
    )


def of_differences(
    differences: Floats, clusters: Codes, *sides: tuple[TrainingNoise | None, int]
) -> Estimate:
    """Mean of `differences` (n,), whose sides have the given training noise and number of seeds."""
    return _estimate(differences, clusters, sides)


def larger(own: TrainingNoise | None, granted: TrainingNoise | None) -> TrainingNoise | None:
    """The larger variance of the two, with the larger degrees of freedom."""
    if own is None or granted is None:
        return own or granted
    return TrainingNoise(max(own.variance, granted.variance), max(own.df, granted.df))


def _estimate(
    per_example: Floats, clusters: Codes, methods: Sequence[tuple[TrainingNoise | None, int]]
) -> Estimate:
    sampling = float(by_cluster.mean_variance(per_example, clusters)[0])
    if not math.isfinite(sampling):
        return Estimate(mean=float(per_example.mean()), sampling_se=math.inf, training_se=None, df=1.0)
    training = [(noise.variance / seeds, noise.df) for noise, seeds in methods if noise is not None]
    parts = [(sampling, by_cluster.degrees_of_freedom(clusters)), *training]
    total = sum(variance for variance, _ in parts)
    weights = sum(variance**2 / df for variance, df in parts)
    return Estimate(
        mean=float(per_example.mean()),
        sampling_se=math.sqrt(sampling),
        training_se=math.sqrt(sum(variance for variance, _ in training)) if training else None,
        df=total**2 / weights if weights > 0 else parts[0][1],
    )

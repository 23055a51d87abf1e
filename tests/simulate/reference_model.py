"""Critical values for a grouped mean's t: how often each kind holds the truth, wherever it is used.

Under a reference model (normal, one correlation within all groups) the distribution is exact (`exact_t`). Degrees of
freedom are Satterthwaite's approximation to it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired
from harness.evidence.stats.exact_t import critical_value
from harness.evidence.stats.intervals import t_quantile
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.simultaneous import TOGETHER
from tests.simulate import coverage
from tests.simulate.coverage import Groups

Scores = Literal["binary", "graded", "tenth lost"]
_CORRELATIONS = np.linspace(0.0, 1.0, 11)


@lru_cache(maxsize=8)
def _criticals(groups: Groups) -> Floats:
    """The exact critical value for each of `_CORRELATIONS`."""
    sizes = groups.sizes.astype(np.float64)

    def exact(correlation: float) -> float:
        return critical_value(sizes, correlation, TOGETHER)

    return np.array([exact(correlation) for correlation in _CORRELATIONS])


def compared(
    groups: Groups, scores: Scores, gap: float, repeats: int, seed: int = 1
) -> tuple[float, float, float]:
    """Percent of intervals (97 %) that hold the truth: with Bell and McCaffrey's degrees of freedom, with Imbens and
    Kolesár's, and with the exact distribution for the correlation that was seen. The intervals alone, without what
    `harness.evidence.pairwise` allows for."""
    rng, clusters = np.random.default_rng(seed), groups.codes
    truth = coverage.graded_truth(gap) if scores == "graded" else -gap
    held = np.zeros(3)
    for _ in range(repeats):
        differences = _drawn(groups, scores, gap, rng)
        centre, se = _centred(differences, clusters, binary=scores != "graded")
        correlation = by_cluster.within_correlation(differences, clusters)
        degrees = [by_cluster.degrees_of_freedom(clusters, supposed) for supposed in (0.0, correlation)]
        criticals = [t_quantile((1 + TOGETHER) / 2, df) for df in degrees]
        criticals.append(float(np.interp(correlation, _CORRELATIONS, _criticals(groups))))
        held += [abs(centre - truth) <= critical * se + 1e-9 for critical in criticals]
    satterthwaite, adaptive, exact = (100 * held / repeats).tolist()
    return satterthwaite, adaptive, exact


def _drawn(groups: Groups, scores: Scores, gap: float, rng: np.random.Generator) -> Floats:
    if scores == "tenth lost":
        return -(rng.random(groups.count) < gap).astype(float)[groups.codes]
    draw = coverage.of_grades if scores == "graded" else coverage.of_rates
    return draw(groups, rng, gap)


def _centred(differences: Floats, clusters: by_cluster.Codes, *, binary: bool) -> tuple[float, float]:
    """Centre and standard error, as `paired.grouped_interval` has them."""
    se = math.sqrt(float(by_cluster.mean_variance(differences, clusters)[0]))
    if paired.needs_imagination(differences, clusters, binary=binary):
        size = paired.imaginary_size(differences, clusters)
        centre, wider = paired.with_imaginary_groups(differences, clusters, size)
        if wider > se:
            return centre, wider
    return float(differences.mean()), se

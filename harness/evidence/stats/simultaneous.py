"""Simultaneous intervals: the level that each needs for all of them to hold at once.

Sources: Hothorn, Bretz and Westfall 2008, "Simultaneous Inference in General Parametric Models"
(the maximum over correlated statistics); Westfall and Young 1993 (its form for p-values, which lets
every interval keep its own method and degrees of freedom).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from harness.evidence.stats.resampling import Floats, chunks, generator

TOGETHER = 0.97
"""A little more than the 95 % promised, because every interval of few examples is an approximation."""

DRAWS = 20_000
"""The level's tail is then known to within 3 % of its size."""


def bonferroni(claims: int, level: float = TOGETHER) -> float:
    """Level of each of `claims` intervals, whatever their dependence."""
    return 1 - (1 - level) / max(claims, 1)


def level_of_each(covariance: Floats, contrasts: Floats, *, level: float = TOGETHER) -> float:
    """Level of each interval such that all of them hold at once with probability `level`.

    Args:
        covariance: of the estimated means, (r, r).
        contrasts: one row per interval: what it takes from each mean, (m, r).

    Returns:
        The level of one interval, between `level` (all of them move together) and Bonferroni's.
        The largest of m correlated normal variables is simulated with a fixed seed.
    """
    claims = len(contrasts)
    strictest = bonferroni(claims, level)
    if claims < 2 or not np.isfinite(covariance).all():
        return strictest
    variances, directions = np.linalg.eigh(covariance)
    loadings = contrasts @ (directions * np.sqrt(np.maximum(variances, 0.0)))
    spread = np.sqrt((loadings**2).sum(axis=1))
    if not (spread > 0).all():
        return strictest
    loadings /= spread[:, None]
    drawn, largest = _normals(len(covariance)), np.empty(DRAWS)
    for start, stop in chunks(DRAWS, claims):
        statistics = drawn[start:stop] @ loadings.T
        largest[start:stop] = np.maximum(statistics.max(axis=1), -statistics.min(axis=1))
    critical = float(np.quantile(largest, level))
    return min(max(2 * float(special.ndtr(critical)) - 1, level), strictest)


@lru_cache(maxsize=4)
def _normals(width: int) -> Floats:
    """The same independent normal draws for every verdict, (DRAWS, width)."""
    return generator().standard_normal((DRAWS, width))


def pairwise(count: int) -> Floats:
    """Every difference of two of `count` means, in the order of `itertools.combinations`: (m, count)."""
    first, second = np.triu_indices(count, k=1)
    rows = np.zeros((len(first), count))
    rows[np.arange(len(first)), first] = 1.0
    rows[np.arange(len(first)), second] = -1.0
    return rows

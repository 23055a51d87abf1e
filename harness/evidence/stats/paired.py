"""Two methods on the same examples: intervals and p-values of the mean difference.

Everything takes `differences`: per example, the score of one method minus that of the other.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from harness.evidence.stats.intervals import LEVEL, bca, student
from harness.evidence.stats.resampling import RESAMPLES, Floats, as_columns, sign_flipped_means

_EXACT = 12
"""Up to so many differences that are not zero, all 2**12 sign patterns are enumerated."""

FEW = 10
"""With fewer examples that differ, a bootstrap has too little to resample."""


def sign_flip(
    differences: Floats, *, resamples: int = RESAMPLES, rng: np.random.Generator | None = None
) -> Floats:
    """Two-sided p-value of "the mean difference is 0", per column of `differences` (n,) or (n, m).

    If two methods are the same, each example's difference is as likely as its opposite, so
    the signs may be flipped (Fisher 1935). Exact where few differences are not zero, else by
    `resamples` random flips, counting the observed one, so that p is never 0 (Phipson and
    Smyth 2010).
    """
    columns = as_columns(differences)
    observed = np.abs(columns.mean(axis=0))
    p_values = np.ones(columns.shape[1])
    counts = (columns != 0).sum(axis=0)
    for column in np.flatnonzero((counts > 0) & (counts <= _EXACT)):
        p_values[column] = _enumerated(columns[columns[:, column] != 0, column])
    many = np.flatnonzero(counts > _EXACT)
    if many.size:
        flipped = np.abs(sign_flipped_means(columns[:, many], resamples=resamples, rng=rng))
        extreme = (flipped >= observed[many] - 1e-12).sum(axis=0)
        p_values[many] = (extreme + 1) / (resamples + 1)
    return p_values


def _enumerated(differences: Floats) -> float:
    patterns = np.arange(2 ** len(differences))[:, None] >> np.arange(len(differences)) & 1
    sums = np.abs((2 * patterns - 1) @ differences)
    return float((sums >= abs(differences.sum()) - 1e-12).mean())


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p-value for scores of 0 and 1; examples both got right or wrong say nothing.

    Source: McNemar 1947; the exact binomial form.
    """
    if wins + losses == 0:
        return 1.0
    return min(1.0, 2.0 * float(stats.binom.cdf(min(wins, losses), wins + losses, 0.5)))


def with_imaginary_pair(differences: Floats) -> tuple[float, float]:
    """Mean and standard error after one imaginary example won and one lost outright.

    For differences of 0 and 1 scores this is the adjusted Wald interval of Bonett and Price
    2012. It keeps an interval honest where few examples differ: 50 ties of 50 do not prove
    that no example ever differs.
    """
    padded = np.concatenate([differences, [1.0, -1.0]])
    return float(padded.mean()), float(padded.std()) / math.sqrt(len(padded))


def few(differences: Floats) -> bool:
    """Whether fewer than ten examples differ."""
    return int((np.abs(differences) > 1e-12).sum()) < FEW


def wins_and_losses(differences: Floats) -> tuple[int, int]:
    """Examples on which the first method scored higher, and lower."""
    return int((differences > 1e-12).sum()), int((differences < -1e-12).sum())


def interval(
    differences: Floats, *, binary: bool, level: float = LEVEL, rng: np.random.Generator | None = None
) -> tuple[Floats, Floats]:
    """Interval of each column's mean difference, (m,) and (m,); `differences` is (n,) or (n, m).

    0/1 scores, and columns in which fewer than ten examples differ: Student's t around one
    imaginary win and loss. Otherwise the outer ends of the BCa bootstrap and Student's t: alone, the
    one covers too little when n is small, the other when differences are lopsided
    (simulated in tests/unit/test_stats_coverage.py).
    """
    columns = as_columns(differences)
    n, width = columns.shape
    low, high = np.empty(width), np.empty(width)
    scarce = np.array([few(column) for column in columns.T])
    padded = np.flatnonzero(scarce | binary)
    for column in padded:
        centre, se = with_imaginary_pair(columns[:, column])
        low[column], high[column] = student(centre, se, max(n - 1, 1), level)
    rest = np.flatnonzero(~(scarce | binary))
    if rest.size:
        kept = columns[:, rest]
        low[rest], high[rest] = bca(kept, level=level, rng=rng)
        half = stats.t.ppf(0.5 + level / 2, n - 1) * kept.std(axis=0, ddof=1) / math.sqrt(n)
        low[rest] = np.minimum(low[rest], kept.mean(axis=0) - half)
        high[rest] = np.maximum(high[rest], kept.mean(axis=0) + half)
    return low, high

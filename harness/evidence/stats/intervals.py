"""Intervals of one mean: Wilson for a rate, its form for any score, Student's t, and the BCa bootstrap."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from harness.evidence.stats.resampling import RESAMPLES, Floats, as_columns, bootstrap_means

LEVEL = 0.95
_IN_TAIL = 20
"""With fewer resamples beyond an end, its position is unreliable."""


def wilson(successes: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Score interval of a rate; right where the normal one fails: small n, rates near 0 or 1.

    `n` may be an effective sample size (Dean and Pagano 2015), so that clustered or repeated
    answers widen it. Source: Wilson 1927, "Probable Inference", JASA 22.
    """
    if n <= 0:
        return 0.0, 1.0
    z = float(special.ndtri(0.5 + level / 2))
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes <= 0 else max(0.0, centre - half)
    high = 1.0 if successes >= n else min(1.0, centre + half)
    return low, high


def score_interval(
    mean: float, variance: float, df: float, *, most: float = math.inf, level: float = LEVEL
) -> tuple[float, float]:
    """Interval within [0, 1] of a mean of scores in [0, 1], whose `variance` is known with `df`.

    Wilson's interval with the effective sample size p (1 - p) / variance, at most `most`, made smaller
    by (z / t)² because the variance is itself an estimate. Without any variance, `most` is the sample size.
    Sources: Korn and Graubard 1998, "Confidence Intervals for Proportions with Small
    Expected Number of Positive Counts"; Dean and Pagano 2015, J. Survey Stat. Methodol. 3.
    """
    if not math.isfinite(variance):
        return 0.0, 1.0
    spread = mean * (1 - mean)
    size = min(most, spread / variance) if variance > 0 and spread > 0 else most
    shrink = float(special.ndtri(0.5 + level / 2)) / t_quantile(0.5 + level / 2, df)
    return wilson(mean * size * shrink**2, size * shrink**2, level)


def student(mean: float, se: float, df: float, level: float = LEVEL) -> tuple[float, float]:
    """`mean` ± t · `se`. Source: Student 1908; `df` may be Satterthwaite's."""
    if se == 0.0:
        return mean, mean
    half = t_quantile(0.5 + level / 2, df) * se
    return mean - half, mean + half


def t_quantile(share: float, df: float) -> float:
    """Quantile of Student's t with `df` degrees of freedom, which may be infinite.

    SciPy's own function without the checks of `scipy.stats`, which take longer than the rest of a verdict.
    """
    return float(special.ndtri(share) if math.isinf(df) else special.stdtrit(max(df, 1e-6), share))


def t_tails(statistic: float, df: float) -> float:
    """Probability that Student's t is at least as far from 0 as `statistic`."""
    distance = -abs(statistic)
    return 2 * float(special.ndtr(distance) if math.isinf(df) else special.stdtr(df, distance))


def bca(
    columns: Floats,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> tuple[Floats, Floats]:
    """Bias-corrected and accelerated bootstrap interval of each column's mean.

    `columns` is (n,) or (n, m); returns `(low, high)`, each (m,). Columns share their
    resamples. A column without variation gets its own value twice. Source: Efron 1987,
    "Better Bootstrap Confidence Intervals", JASA 82. Where fewer than twenty resamples lie beyond
    the ends, those of the strictest level within reach are moved out as a normal tail would be.
    """
    columns = as_columns(columns)
    means = bootstrap_means(columns, resamples=resamples, rng=rng)
    observed = columns.mean(axis=0)
    tolerance = 1e-12 * (1.0 + np.abs(observed))
    below = (means < observed - tolerance).mean(axis=0)
    not_above = (means <= observed + tolerance).mean(axis=0)
    bias = special.ndtri(np.clip((below + not_above) / 2, 1 / resamples, 1 - 1 / resamples))
    acceleration = _acceleration(columns)
    wanted = special.ndtri(0.5 + level / 2)
    z = min(wanted, special.ndtri(1 - min(_IN_TAIL / resamples, 0.1)))
    ordered = np.sort(np.ascontiguousarray(means.T), axis=1)
    low, high = np.empty_like(observed), np.empty_like(observed)
    for ends, quantile in ((low, -z), (high, z)):
        shifted = bias + (bias + quantile) / (1 - acceleration * (bias + quantile))
        ends[:] = _quantiles(ordered, special.ndtr(shifted))
    return observed + (low - observed) * wanted / z, observed + (high - observed) * wanted / z


def _quantiles(ordered: Floats, shares: Floats) -> Floats:
    """Each sorted row's own quantile, interpolated as numpy does: (m,)."""
    position = shares * (ordered.shape[1] - 1)
    below, rows = np.floor(position).astype(np.intp), np.arange(len(ordered))
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    low, high = ordered[rows, below], ordered[rows, above]
    quantiles: Floats = low + (high - low) * (position - below)
    return quantiles


def _acceleration(columns: Floats) -> Floats:
    """For a mean, the jackknife reduces to a sixth of its skewness."""
    centred = columns - columns.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    safe = np.where(squares > 0, squares, 1.0)
    return np.where(squares > 0, (centred**3).sum(axis=0) / (6.0 * safe**1.5), 0.0)

"""Critical values of a grouped mean's t for groups of many sizes, exact under a reference model.

Student's t with Satterthwaite's degrees of freedom errs to the wide side far out: ten groups of which one is large
have two degrees of freedom, and an interval at 99.8 % of 27 standard errors where 7 are enough. Under the model (normal
examples, one correlation within all groups) "t² exceeds c²" says that a quadratic form in the groups' sums is
positive, whose probability an integral gives.

Sources: Imhof 1961, "Computing the Distribution of Quadratic Forms in Normal Variables", Biometrika 48; Imbens and
Kolesár 2016, "Robust Standard Errors in Small Samples", Rev. Econ. Stat. 98, for the reference model.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from harness.evidence.stats.intervals import t_quantile
from harness.evidence.stats.resampling import Floats

_FROM, _TO, _STEPS = -20.0, 25.0, 2
"""Range of the logarithm of the integral's variable, and steps per unit and √groups: the integrand turns that often.
Eigenvalues are scaled to 1 at most; one large group and many small ones have eigenvalues of many sizes, each of which
matters where its product with the variable is near 1."""


def critical_value(sizes: Floats, correlation: float, level: float) -> float:
    """How many standard errors (CR2) hold the mean with probability `level`; never fewer than for groups of one size.

    Args:
        sizes: examples in each group, (groups,).
        correlation: of two examples of a group, within [0, 1]; rounded to hundredths.
        level: of the two-sided interval.
    """
    return _critical(tuple(np.sort(sizes).tolist()), round(correlation, 2), level)


@lru_cache(maxsize=1024)
def _critical(sizes: tuple[float, ...], correlation: float, level: float) -> float:
    from scipy import optimize

    array, low = np.array(sizes), t_quantile((1 + level) / 2, len(sizes) - 1.0)

    def excess(critical: float) -> float:
        return tail(critical, array, correlation) - (1 - level)

    if excess(low) <= 0:
        return low
    high = 1.25 * low
    while excess(high) > 0:
        low, high = high, 1.25 * high
    return float(optimize.brentq(excess, low, high, xtol=1e-3))


def tail(critical: float, sizes: Floats, correlation: float) -> float:
    """Probability that |t| of groups of `sizes` (groups,) exceeds `critical`, by Imhof's integral."""
    values, counts = _eigenvalues(critical, sizes, correlation)
    step = min(0.1, 1 / _STEPS / math.sqrt(len(sizes)))
    products = np.outer(np.exp(np.arange(_FROM, _TO, step)), values / np.abs(values).max())
    angles = np.arctan(products) @ counts / 2
    shrink = np.exp(-np.log1p(products**2) @ counts / 4)
    return 0.5 + float((np.sin(angles) * shrink).sum()) * step / math.pi


def _eigenvalues(critical: float, sizes: Floats, correlation: float) -> tuple[Floats, Floats]:
    """Eigenvalues of the form "squared mean minus critical² times its variance", and how often each occurs.

    Groups of one size differ among themselves by one eigenvalue, so that a matrix of the distinct sizes is enough.
    """
    size, number = np.unique(sizes, return_counts=True)
    total = float((size * number).sum())
    variance = size * (1 - correlation) + size**2 * correlation
    adjusted = 1 / (1 - size / total)
    pull = size * adjusted / total
    common = float((number * size * pull).sum()) / total
    shared = 1.0 - critical**2 * (common - pull[:, None] - pull[None, :])
    alone = -(critical**2) * adjusted * variance
    spread = np.sqrt(variance * number)
    between = np.linalg.eigvalsh(spread[:, None] * shared * spread + np.diag(alone))
    return np.concatenate([between, alone]), np.concatenate([np.ones(len(size)), number - 1.0])

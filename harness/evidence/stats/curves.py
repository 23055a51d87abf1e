"""Learning curves: what the next doubling of training examples gains, from the points so far.

The score after m examples is modeled as a - b m^-c, which rises ever more slowly (Cortes et al. 1993,
"Learning Curves: Asymptotic Values and Rate of Convergence"); c = 0 stands for a + b log m.
"""

from __future__ import annotations

import numpy as np

from harness.evidence.stats.resampling import Floats

_EXPONENTS = np.linspace(0.0, 4.0, 33)
BENDS = 3.0
"""Two points do not show how a curve bends. A doubling is then assumed to gain between as much as the last
one (c = 0) and an eighth of it (c = 3)."""


def next_doubling(means: Floats, counts: Floats) -> Floats:
    """Gain of the doubling after the last count, per row of `means` (r, k), by least squares: (r,).

    With two counts it is what the last doubling gained.
    """
    if len(counts) == 2:
        gain: Floats = (means[:, 1] - means[:, 0]) / np.log2(counts[1] / counts[0])
        return gain
    scaled = counts / counts[-1]
    residuals, gains = [], []
    for exponent in _EXPONENTS:
        basis = _basis(scaled, exponent)
        centred = basis - basis.mean()
        slopes = means @ centred / (centred @ centred)
        fitted = means.mean(axis=1, keepdims=True) + slopes[:, None] * centred
        residuals.append(((means - fitted) ** 2).sum(axis=1))
        gains.append(slopes * _basis(np.array([2.0]), exponent)[0])
    best = np.argmin(residuals, axis=0)
    chosen: Floats = np.stack(gains)[best, np.arange(len(means))]
    return chosen


def next_interval(drawn: Floats, counts: Floats, level: float) -> tuple[float, float]:
    """Interval of the next doubling's gain from `drawn` means (r, k), one row per draw of the data."""
    tail = (1 - level) / 2
    low, high = np.quantile(next_doubling(drawn, counts), [tail, 1 - tail])
    if len(counts) == 2:
        flattened = 2.0**-BENDS
        low, high = min(low, low * flattened), max(high, high * flattened)
    return float(low), float(high)


def _basis(scaled: Floats, exponent: float) -> Floats:
    """(1 - x^-c) / c, and its limit log x: 0 at the last count."""
    return np.log(scaled) if exponent == 0 else (1 - scaled**-exponent) / exponent

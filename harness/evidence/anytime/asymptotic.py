"""The normal mixture: evidence over many graded scores, at a cost that does not grow with a grid of stakes.

It needs enough units for the central limit theorem, so it says nothing before `BURN_IN` of them. One-sided
normal mixture: Howard, Ramdas, McAuliffe and Sekhon 2021, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Ann. Statist. 49; with the variance estimated: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024,
"Time-uniform central limit theory and asymptotic confidence sequences", Ann. Statist. 52.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from harness.evidence.stats.resampling import Floats

BURN_IN = 200
"""Number of units before which the method says nothing."""
MANY = 1_000
"""Number of planned units from which graded scores are judged this way."""
_SHARPEST = 60.0
"""The variance of a sum at which the sequence is narrowest: some 600 differences with a standard deviation of 0.3."""
_LOG_ERRORS = 8.0
"""Twice the log of the 1/α that it is tuned for."""


def log_evidence(totals: Floats, sizes: Floats, mean: Floats) -> Floats:
    """Log of the e-process after each unit against "column j's mean is at most `mean[j]`"; arguments as
    `betting.log_wealth`. 0 before the burn-in."""
    counted = np.cumsum(sizes)[:, None]
    average = np.cumsum(totals, axis=0) / counted
    residuals = totals - sizes[:, None] * average
    variance = np.cumsum(residuals**2, axis=0)
    excess = np.cumsum(totals - sizes[:, None] * mean, axis=0)
    prior = _LOG_ERRORS / _SHARPEST
    spread = 1.0 + variance * prior
    root = excess * np.sqrt(prior / spread)
    logs: Floats = np.log(2.0) - 0.5 * np.log(spread) + root**2 / 2 + special.log_ndtr(root)
    logs[: BURN_IN - 1] = 0.0
    return logs

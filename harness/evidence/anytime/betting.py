"""Betting against "the mean is at most m": the wealth is evidence that holds whenever one looks.

A player starts with a wealth of 1 and bets a share of it on every difference being above m. If the mean is at
most m, no strategy gains on average, and by Ville's inequality the wealth ever reaches 1/α with probability
at most α. The means that the wealth refutes at that level are left out of a confidence sequence, which holds
at all times together. The wealth here is the average over a grid of stakes.
Sources: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", JRSS B 86;
Ville 1939.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from harness.evidence.stats.resampling import Floats

STAKES = np.concatenate([np.geomspace(0.02, 0.5, 10), [0.62, 0.74, 0.84, 0.91, 0.96]])
"""Shares of the largest stake that is allowed: small ones find small differences, large ones need few
examples."""


def log_wealth(totals: Floats, sizes: Floats, mean: Floats) -> Floats:
    """Log of the wealth after each unit, for betting that column j's mean is above `mean[j]`.

    Args:
        totals: sum of the differences of each unit (a group, or an example), in [-size, size]: (n, k).
        sizes: examples of each unit as a share of the largest: (n,).
        mean: the means bet against, in (-1, 1): (k,).

    Returns:
        (n, k).
    """
    gains = (totals - sizes[:, None] * mean) / (1.0 + mean)
    logs = np.stack([np.cumsum(np.log1p(stake * gains), axis=0) for stake in STAKES])
    wealth: Floats = special.logsumexp(logs, axis=0) - np.log(len(STAKES))
    return wealth

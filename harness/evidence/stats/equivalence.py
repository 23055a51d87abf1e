"""Not worse by a margin, and the same within a margin.

"No significant difference" is not "the same": a small test set cannot distinguish anything. These tests reverse the burden of proof. Sources: Schuirmann 1987 (two one-sided tests);
the ends of a 95 % interval decide, which is one-sided testing at 2.5 %.
"""

from __future__ import annotations


def not_worse(low: float, margin: float) -> bool:
    """Whether the interval excludes being worse by `margin` or more."""
    return low > -margin


def equivalent(low: float, high: float, margin: float) -> bool:
    """Whether the interval lies inside ± `margin`."""
    return -margin < low and high < margin


def non_inferiority_p(difference: float, se: float, df: float, margin: float) -> float:
    """One-sided p-value of "worse by `margin` or more"."""
    from scipy import stats

    if se == 0.0:
        return 0.0 if difference > -margin else 1.0
    return float(stats.t.sf((difference + margin) / se, df))

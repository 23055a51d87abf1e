"""What a test set of n examples can detect, and how large it must be to detect a given difference.

Normal approximations, as in Miller 2024, section "Power analysis". `sd` is the standard
deviation of the per-example paired differences.
"""

from __future__ import annotations

import math

from scipy import special

ALPHA = 0.05
POWER = 0.8


def multiplier(alpha: float = ALPHA, power: float = POWER) -> float:
    """How many standard errors away a true difference must be: 2.80 at 5 % and 80 %."""
    return float(special.ndtri(1 - alpha / 2) + special.ndtri(power))


def minimum_detectable(se: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that is found with probability `power`."""
    return multiplier(alpha, power) * se


def examples_for(difference: float, sd: float, alpha: float = ALPHA, power: float = POWER) -> int:
    """Test examples needed to find a true `difference` with probability `power`."""
    if difference == 0.0:
        raise ValueError("no number of examples shows a difference of 0")
    return math.ceil((multiplier(alpha, power) * sd / difference) ** 2)


def examples_to_settle(
    difference: float,
    sd: float,
    margin: float,
    *,
    training_se: float = 0.0,
    whole_group: float = 0.0,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int | None:
    """Test examples needed to show "not worse by the margin" or "different", whichever is nearer.

    Supposes that the true difference is the observed one. Seen from there, one of the two is
    at least half a margin away, so that with a positive margin the number is finite, unless
    training noise, which no test example reduces, is too large by itself: then None, and more seeds are
    needed; also None if `sd` is not finite. `alpha` is that of the interval which decides both. Where "not worse"
    is to be shown over groups, the standard error is at least `whole_group` / n: what one more group could change
    shrinks with the number of groups, and not with its root.
    """
    needed = []
    for distance, least in ((difference + margin, whole_group), (abs(difference), 0.0)):
        if distance <= 0 or not math.isfinite(sd):
            continue
        room = (distance / multiplier(alpha, power)) ** 2 - training_se**2
        if room > 0:
            needed.append(max(sd**2 / room, least / math.sqrt(room)))
    return math.ceil(min(needed)) if needed else None

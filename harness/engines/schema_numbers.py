"""Bounds on numbers as llguidance compares them: digit by digit, and as doubles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import lcm

MOST_DECIMALS = 12
"""Bounds with more decimals are handed over unchanged."""
EXACT = 2**53
"""llguidance reads numbers as doubles: a whole number above this may become its neighbor."""
SMALLEST = 1e-15
"""Stands for an exclusive bound of 0, as does its negative: see `_beside_zero`."""


def spellings(bounds: Mapping[str, int | float]) -> list[Mapping[str, int | float]]:
    """Bounds whose union allows every number within `bounds`, however few decimals it is written with.

    llguidance compares digit by digit: below a maximum of 0.25 it allows 0.20 and refuses 0.2. A number with one
    decimal is below 0.25 exactly if it is at most 0.2, so that version is allowed as well. Multiples of 0.25
    with one decimal are those of 0.5.
    """
    written = [value for key, value in bounds.items() if key != "multipleOf" or _long(value)]
    decimals = max(map(decimal_places, written), default=0)
    if decimals == 0 or decimals > MOST_DECIMALS:
        return [_beside_zero(bounds)]
    versions = [_beside_zero(bounds)]
    for kept in range(decimals - 1, -1, -1):
        version = {
            _inclusive(key, value, kept): _with_decimals(key, value, kept) for key, value in bounds.items()
        }
        low, high = _limit(version, "inimum", max), _limit(version, "aximum", min)
        if (low is None or high is None or low <= high) and version not in versions:
            versions.append(_beside_zero(version))
    return versions


def _beside_zero(bounds: Mapping[str, int | float]) -> Mapping[str, int | float]:
    """The bounds without an exclusive 0 next to another bound within 1 of it, for which llguidance would allow
    0 or -0 itself."""
    high = min((value for key, value in bounds.items() if key.endswith("aximum")), default=1)
    low = max((value for key, value in bounds.items() if key.endswith("inimum")), default=-1)
    plain = dict(bounds)
    if bounds.get("exclusiveMinimum") == 0 and high < 1:
        del plain["exclusiveMinimum"]
        plain["minimum"] = SMALLEST
    if bounds.get("exclusiveMaximum") == 0 and low > -1:
        del plain["exclusiveMaximum"]
        plain["maximum"] = -SMALLEST
    return plain


def _inclusive(key: str, value: int | float, kept: int) -> str:
    """A bound that rounding moved inward can be reached, so it becomes inclusive."""
    plain = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}.get(key, key)
    return key if decimal_places(value) <= kept else plain


def _long(step: int | float) -> bool:
    """Whether llguidance requires every decimal of a multiple: it does for steps of two or more digits."""
    return len(Decimal(str(step)).normalize().as_tuple().digits) > 1


def _with_decimals(key: str, value: int | float, kept: int) -> int | float:
    """A bound or step for numbers with `kept` decimals."""
    if key != "multipleOf":
        return rounded(key, value, kept)
    decimals = max(decimal_places(value), kept)
    exact = Decimal(lcm(int(Decimal(str(value)).scaleb(decimals)), 10 ** (decimals - kept))).scaleb(-decimals)
    return _plain(exact)


def rounded(key: str, value: int | float, kept: int, *, outwards: bool = False) -> int | float:
    rounding = ROUND_CEILING if key.endswith("inimum") != outwards else ROUND_FLOOR
    exact = Decimal(str(value)).quantize(Decimal(1).scaleb(-kept), rounding=rounding)
    return _plain(exact)


def _plain(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _limit(
    bounds: Mapping[str, int | float], ending: str, tightest: Callable[[Sequence[int | float]], int | float]
) -> int | float | None:
    values = [value for key, value in bounds.items() if key.endswith(ending)]
    return tightest(values) if values else None


def decimal_places(value: int | float) -> int:
    if isinstance(value, int):
        return 0
    return max(0, -int(Decimal(str(value)).normalize().as_tuple().exponent))

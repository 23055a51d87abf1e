"""Numbers as people read them; None is an en dash, and a unit is always given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

NONE = "–"
_MORE_DIGITS = 2
"""A value that would be rounded to 0 is shown with up to so many more decimals."""


def score(value: float | None) -> str:
    """A score of 0 to 1 in points: 81.3."""
    return NONE if value is None else f"{100 * value:.1f}"


def signed(value: float | None) -> str:
    """A difference in points, with its sign: +3.1, -0.4, and never -0.0.

    The minus is a hyphen, as in every number that the harness writes, so that a search finds it in any output.
    """
    return NONE if value is None else _not_zero(100 * value, 1, "+")


def points(value: float) -> str:
    """A difference in points: 3.1, -0.4, 0.04."""
    return _not_zero(100 * value, 1)


def decimal(value: float, digits: int = 3) -> str:
    """A score of 0 to 1 as it is: 0.813; never -0.000."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def signed_decimal(value: float, digits: int = 3) -> str:
    """A difference of scores as it is, with its sign: +0.031; never -0.000."""
    return _not_zero(value, digits, "+")


def _not_zero(value: float, digits: int, sign: str = "") -> str:
    """A difference, or an end of its interval: with more decimals where it would be rounded to 0, because an
    interval that ends at 0.04 points excludes 0."""
    for more in range(digits, digits + _MORE_DIGITS + 1):
        if round(value, more) != 0.0:
            return f"{round(value, more):{sign}.{more}f}"
    return f"{0.0:{sign}.{digits}f}"


def percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.0f} %"


def seconds(value: float | None) -> str:
    """From milliseconds to hours, two or three figures."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if value < 1:
        return f"{1000 * value:.0f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"


def size(value: float | None) -> str:
    """Bytes as MiB or GiB."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"


def count(value: float | None) -> str:
    """A number of things: 4.9 M, 512, 1,204."""
    if value is None:
        return NONE
    if value >= 1e9:
        return f"{value / 1e9:.2f} B"
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words: "1 row", "2,000 rows"; `many` if the plural is not just an added s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def p_value(value: float | None) -> str:
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


FILTERS: Mapping[str, Callable[[float | None], str]] = {
    "score": score,
    "signed": signed,
    "percent": percent,
    "duration": seconds,
    "bytes": size,
    "count": count,
    "p_value": p_value,
}

"""Numbers as people read them; None is an en dash, and a unit is always given."""

from __future__ import annotations

from collections.abc import Callable, Mapping

NONE = "–"


def score(value: float | None) -> str:
    """A score of 0 to 1 in points: 81.3."""
    return NONE if value is None else f"{100 * value:.1f}"


def signed(value: float | None) -> str:
    """A difference in points, with its sign: +3.1, -0.4, and never -0.0.

    The minus is a hyphen, as in every number that the harness writes, so that a search finds it in any output.
    """
    return NONE if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def decimal(value: float, digits: int = 3) -> str:
    """A score of 0 to 1 as it is: 0.813; never -0.000."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def signed_decimal(value: float, digits: int = 3) -> str:
    """A difference of scores as it is, with its sign: +0.031; never -0.000."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


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

"""Trends in words, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core import formatting
from harness.core.text import one_line
from harness.evidence.stats.intervals import LEVEL
from harness.regression.history import ChangePoint, Point, Series


def text(series: Sequence[Series], task: str | None = None, recipe: str | None = None) -> str:
    """Every series with its runs, upgrades and change point.

    Args:
        task: the only task that was asked for, and `recipe` the only recipe.
    """
    if not series and (task or recipe):
        of = [f"of {what} '{name}'" for what, name in (("recipe", recipe), ("task", task)) if name]
        return f"no finished runs {' '.join(of)}; all runs: harness ls"
    if not series:
        return "no finished runs; start with: harness run support_tickets --limit 20"
    return "\n".join(line for item in series for line in _series(item))


def _series(item: Series) -> Iterator[str]:
    yield one_line(f"{item.task} · {item.name} · {item.primary} [{round(100 * LEVEL)} %]")
    for point in item.points:
        yield from _point(point)
    if item.change is not None:
        yield f"  {_change(item.change)}"


def _point(point: Point) -> Iterator[str]:
    ends = f"[{100 * point.low:5.1f}, {100 * point.high:5.1f}]"
    where = f"{point.model} {point.base}"
    yield f"  {one_line(point.at[:16])}  {100 * point.mean:5.1f} {ends} n={point.n:<4} seed {point.seed} {one_line(where)}"
    yield from (f"      ↑ {one_line(change)}" for change in point.changed)


def _change(change: ChangePoint) -> str:
    size = f"{formatting.signed(change.change)} [{formatting.signed(change.low)}, {formatting.signed(change.high)}]"
    between = "" if change.first == change.last else f" (between {change.first} and {change.last})"
    return one_line(f"change at {change.run}: {size} points{between}")

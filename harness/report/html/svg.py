"""Drawing: scales, axes and marks as SVG, colored by CSS classes so that light and dark both work.

Colours are classes (`c0` … `c7`, the palette of Okabe and Ito 2008, distinguishable with any common color
blindness); marks also differ in shape, and every series is named where it is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from harness.report.html.page import visible

PALETTE = 8
SHAPES = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Scale:
    """A value's position on the page: linear, or logarithmic if `log` is set."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values inside the scale."""
        if self.log:
            return _log_ticks(self.low, self.high)
        step = _step((self.high - self.low) / count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) for k in range(first, last + 1)]


def linear(values: Sequence[float], start: float, end: float, *, floor: float | None = None) -> Scale:
    """A linear scale that holds `values` with some air; it starts at `floor` if given."""
    low, high = min(values), max(values)
    air = (high - low or abs(high) or 1.0) * 0.06
    return Scale(low - air if floor is None else floor, high + air, start, end)


def fitting(values: Sequence[float], start: float, end: float) -> Scale:
    """Logarithmic if all are above 0 and the largest is twenty times the smallest, else from 0."""
    if min(values) > 0 and max(values) / min(values) > 20:
        return Scale(min(values) / 1.4, max(values) * 1.4, start, end, log=True)
    return Scale(0.0, max(values) * 1.08 or 1.0, start, end)


def _step(rough: float) -> float:
    magnitude = 10 ** math.floor(math.log10(rough))
    return float(next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough - 1e-12))


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 300 else (1, 3) if high / low > 30 else (1, 2, 5)
    return [m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high]


def number(value: float) -> str:
    """A coordinate: two decimals are finer than any screen."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def element(tag: str, inner: str | Markup = "", **attributes: object) -> Markup:
    """One SVG element; attribute names take `_` for `-`, and `class_` for `class`."""
    parts = []
    for name, value in attributes.items():
        if value is not None:
            shown = number(value) if isinstance(value, float) else visible(str(value))
            parts.append(f' {name.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    body = inner if isinstance(inner, Markup) else escape(visible(inner))
    return Markup(f"<{tag}{''.join(parts)}>{body}</{tag}>")


def group(*parts: Markup, **attributes: object) -> Markup:
    return element("g", Markup("").join(parts), **attributes)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def beside(names: Iterable[str]) -> float:
    """Where the plot area begins, right of these row names; a letter is at most 7 wide."""
    return min(max(150.0, 20.0 + 7.0 * max(map(len, names), default=0)), 330.0)


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def path(points: Sequence[tuple[float, float]], class_: str) -> Markup:
    """A line through the points."""
    commands = "".join(f"{'ML'[index > 0]}{number(x)} {number(y)}" for index, (x, y) in enumerate(points))
    return element("path", d=commands, class_=class_)


def mark(x: float, y: float, index: int, title: str, radius: float = 5.5) -> Markup:
    """A point of series `place`: color and shape both identify it."""
    shape, class_ = SHAPES[index % len(SHAPES)], f"mark c{index % PALETTE}"
    tip = element("title", title)
    if shape == "circle":
        return element("circle", tip, cx=x, cy=y, r=radius, class_=class_)
    corners = {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "diamond": [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
        "triangle": [(0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
    }[shape]
    points = " ".join(f"{number(x + dx * radius)},{number(y + dy * radius)}" for dx, dy in corners)
    return element("polygon", tip, points=points, class_=class_)


def svg(
    width: float, height: float, description: str, *parts: Markup, class_: str = "", role: str = "img"
) -> Markup:
    """A picture that scales with its column; `description` is the text for screen readers.

    `role` is `group` for a picture with links in it, which a screen reader must be able to enter.
    """
    return element(
        "svg",
        Markup("").join(parts),
        viewBox=f"0 0 {number(width)} {number(height)}",
        role=role,
        aria_label=description,
        class_=f"plot {class_}".strip(),
    )


def x_axis(scale: Scale, top: float, bottom: float, labels: Sequence[str], title: str) -> Markup:
    """Grid lines and labels under a plot; `labels` belong to `scale.ticks()`."""
    parts = []
    for value, label in zip(scale.ticks(), labels, strict=True):
        parts += [
            line(scale(value), top, scale(value), bottom, "grid"),
            text(scale(value), bottom + 16, label, "tick", "middle"),
        ]
    parts.append(text((scale.start + scale.end) / 2, bottom + 36, title, "axis", "middle"))
    return group(*parts)


def y_axis(scale: Scale, left: float, right: float, labels: Sequence[str], title: str) -> Markup:
    """Grid lines and labels at the left of a plot; the title stands above them."""
    parts = []
    for value, label in zip(scale.ticks(), labels, strict=True):
        parts += [
            line(left, scale(value), right, scale(value), "grid"),
            text(left - 8, scale(value) + 4, label, "tick", "end"),
        ]
    parts.append(text(0, scale.end - 14, title, "axis"))
    return group(*parts)

"""Quality against cost, for the cost that the reader cares about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.decide.values import Cost, RecipeSummary
from harness.report import numbers, parts, svg
from harness.report.data import Group, ReportData

ORDER = 30
TITLE = "Quality and cost"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 700.0, 34.0, 330.0


@dataclass(frozen=True)
class Axis:
    """One cost: its name, how it is read from `Cost`, and how it is written."""

    name: str
    title: str
    read: Callable[[Cost], float | None]
    write: Callable[[float | None], str]


AXES = (
    Axis("tokens in", "prompt tokens per answer", lambda cost: cost.prompt_tokens, numbers.count),
    Axis("time per answer", "wall seconds per answer", lambda cost: cost.answer_seconds, numbers.seconds),
    Axis("training", "training time", lambda cost: cost.train_seconds, numbers.seconds),
    Axis("memory", "peak memory", lambda cost: cost.peak_memory_bytes, numbers.size),
    Axis("latency", "median latency, asked one at a time", lambda cost: cost.latency_p50, numbers.seconds),
    Axis("to ship", "size of the trained part", lambda cost: cost.bytes_to_ship, numbers.size),
)
Point = tuple[RecipeSummary, float]


@dataclass(frozen=True)
class Info:
    """Per group: the axes on which at least two recipes were measured and differ."""

    groups: tuple[tuple[Group, tuple[tuple[Axis, tuple[Point, ...]], ...]], ...]


def collect(data: ReportData) -> Info | None:
    found = []
    for group in data.groups:
        axes = [(axis, _points(group, axis)) for axis in AXES]
        telling = tuple((axis, points) for axis, points in axes if len({cost for _, cost in points}) > 1)
        if telling:
            found.append((group, telling))
    return Info(tuple(found)) if found else None


def render(info: Info) -> Markup:
    caption = "Up is better, left is cheaper. The line joins the recipes that no other beats on both."
    bodies = []
    for group, axes in info.groups:
        pictures = [_picture(group, axis, points) for axis, points in axes]
        bodies.append((group.name, parts.figure(pictures, caption=caption, question="Cost")))
    return parts.groups(bodies)


def _points(group: Group, axis: Axis) -> tuple[Point, ...]:
    summaries = () if group.verdict is None else group.verdict.summaries
    found = ((summary, axis.read(summary.cost)) for summary in summaries)
    return tuple((summary, cost) for summary, cost in found if cost is not None)


def frontier(points: Sequence[Point]) -> list[Point]:
    """Recipes that no cheaper or equally cheap one matches, the cheapest first; oracles take no part."""
    best, found = float("-inf"), []
    usable = [point for point in points if not point[0].oracle]
    for summary, cost in sorted(usable, key=lambda point: (point[1], -point[0].mean)):
        if summary.mean > best:
            found.append((summary, cost))
            best = summary.mean
    return found


def _picture(group: Group, axis: Axis, points: Sequence[Point]) -> parts.Picture:
    x = svg.fitting([cost for _, cost in points], LEFT, RIGHT - 90)
    y = svg.Scale(0.0, min(1.0, max(s.high for s, _ in points) * 1.08) or 1.0, BOTTOM, TOP)
    best = frontier(points)
    steps: list[tuple[float, float]] = []
    for summary, cost in best:
        if steps:
            steps.append((x(cost), steps[-1][1]))
        steps.append((x(cost), y(summary.mean)))
    steps.append((RIGHT, steps[-1][1]))
    labels = _labels([(s.recipe, x(cost), y(s.mean)) for s, cost in points])
    primary = "" if group.verdict is None else group.verdict.primary
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        _description(axis, points),
        svg.x_axis(x, TOP, BOTTOM, [axis.write(tick) for tick in x.ticks()], axis.title),
        svg.y_axis(y, LEFT, RIGHT, [f"{100 * tick:.0f}" for tick in y.ticks()], f"{primary}, points"),
        svg.path(steps, "frontier"),
        *(_mark(group, axis, point, x, y) for point in points),
        *labels,
    )
    return parts.Picture(name=axis.name, drawing=drawing, table=_numbers(axis, points))


def _mark(group: Group, axis: Axis, point: Point, x: svg.Scale, y: svg.Scale) -> Markup:
    summary, cost = point
    colour = group.colour(summary.recipe)
    tip = f"{summary.recipe}: {numbers.score(summary.mean)} points, {axis.write(cost)}"
    return svg.group(
        svg.line(x(cost), y(summary.low), x(cost), y(summary.high), f"whisker thin s{colour % svg.PALETTE}"),
        svg.mark(x(cost), y(summary.mean), colour, tip),
    )


def _labels(places: Sequence[tuple[str, float, float]]) -> list[Markup]:
    """Names right of their marks, moved up or down until none covers another, then with a leader."""
    taken: list[tuple[float, float, float]] = []
    found = []
    for name, x, y in sorted(places, key=lambda place: place[2]):
        left, width = x + 14, 7.0 * len(name)
        offsets = sorted(range(-210, 211, 7), key=abs)
        fits = (o for o in offsets if TOP <= y + o <= BOTTOM - 6 and not _covered(left, y + o, width, taken))
        shift = next(fits, 0)
        taken.append((left, y + shift, width))
        if abs(shift) > 7:
            found.append(svg.line(x + 5, y, left - 2, y + shift, "leader"))
        found.append(svg.text(left, y + shift + 4, name, "label halo"))
    return found


def _covered(left: float, y: float, width: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return any(abs(y - oy) < 14 and left < ox + ow and ox < left + width for ox, oy, ow in taken)


def _description(axis: Axis, points: Sequence[Point]) -> str:
    said = "; ".join(f"{s.recipe} {numbers.score(s.mean)} at {axis.write(cost)}" for s, cost in points)
    return f"Scatter plot of the score in points against {axis.title}: {said}."


def _numbers(axis: Axis, points: Sequence[Point]) -> parts.Table:
    best = {summary.recipe for summary, _ in frontier(points)}
    columns = [
        ("recipe", ""),
        ("score", "points"),
        ("low", ""),
        ("high", ""),
        (axis.title, ""),
        ("frontier", ""),
    ]
    body = [
        [
            parts.Cell(text=s.recipe),
            *(parts.number(numbers.score(value)) for value in (s.mean, s.low, s.high)),
            parts.number(axis.write(cost)),
            parts.number("yes" if s.recipe in best else "no"),
        ]
        for s, cost in points
    ]
    return parts.Table(caption=f"Score and {axis.title}", columns=columns, rows=body)

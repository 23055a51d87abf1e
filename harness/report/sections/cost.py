"""Quality against cost, for the cost that the reader cares about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.verdict_types import Cost, RecipeSummary
from harness.report import estimates, memory_prediction
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components, svg
from harness.report.memory_prediction import Peak

ORDER = 30
TITLE = "Quality and cost"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 700.0, 34.0, 330.0


@dataclass(frozen=True)
class Axis:
    """One cost: its name, how to read it from `Cost`, and how to format it."""

    name: str
    title: str
    read: Callable[[Cost], float | None]
    write: Callable[[float | None], str]


AXES = (
    Axis("tokens in", "prompt tokens per answer", lambda cost: cost.prompt_tokens, formatting.count),
    Axis("time per answer", "wall seconds per answer", lambda cost: cost.answer_seconds, formatting.seconds),
    Axis("training", "training time", lambda cost: cost.train_seconds, formatting.seconds),
    Axis("memory", "peak memory", lambda cost: cost.peak_memory_bytes, formatting.size),
    Axis("latency", "median latency, asked one at a time", lambda cost: cost.latency_p50, formatting.seconds),
    Axis("to ship", "size of the trained part", lambda cost: cost.bytes_to_ship, formatting.size),
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One recipe: a quality with its 95 % interval, and a cost."""

    recipe: str
    oracle: bool
    mean: float
    low: float
    high: float
    cost: float


@dataclass(frozen=True)
class Info:
    """Per group: quality, cost and the recipes, if at least two were measured and differ in cost."""

    groups: tuple[tuple[TaskGroup, tuple[tuple[str, Axis, tuple[Point, ...]], ...]], ...]
    peaks: tuple[tuple[TaskGroup, tuple[Peak, ...]], ...] = ()
    """Per group: memory predicted and measured, if it was."""


def collect(data: ReportData) -> Info | None:
    groups = []
    for group in data.groups:
        telling = tuple(plot for plot in _plots(group) if len({point.cost for point in plot[2]}) > 1)
        if telling:
            groups.append((group, telling))
    peaks = tuple((group, known) for group in data.groups if (known := memory_prediction.peaks(group)))
    return Info(tuple(groups), peaks) if groups or peaks else None


def render(info: Info) -> Markup:
    bodies = []
    for group, axes in info.groups:
        caption = f"Up is better, left is cheaper. The line joins the {group.compared}s that no other beats on both."
        pictures = [_picture(group, name, axis, points) for name, axis, points in axes]
        figure = components.figure(pictures, caption=caption, question="Cost", other="Quality")
        bodies.append((group.name, figure))
    memory = [(group.name, memory_prediction.table(peaks)) for group, peaks in info.peaks]
    return components.groups(bodies) + (components.groups(memory) if memory else Markup(""))


def _plots(group: TaskGroup) -> list[tuple[str, Axis, tuple[Point, ...]]]:
    """Every quality (the primary score, other scorers, what was valid) against every cost."""
    if group.verdict is None:
        return []
    measured = estimates.by_metric(group)
    # Recall does not measure answers, and strict scores hardly differ from the others.
    names = [name for name in measured if name != "recall@k" and not name.endswith(", strict")]
    # What another tool's answers cost is not known, and is not 0.
    summaries = [s for s in group.verdict.summaries if group.compared == "recipe" or s.cost != Cost()]
    return [(name, axis, _points(summaries, measured[name], axis)) for name in names for axis in AXES]


def _points(
    summaries: Sequence[RecipeSummary], measured: Mapping[str, estimates.Estimate], axis: Axis
) -> tuple[Point, ...]:
    points = []
    for summary in summaries:
        price, value = axis.read(summary.cost), measured.get(summary.recipe)
        if price is not None and value is not None:
            low, mean, high = value.low, value.mean, value.high
            recipe, oracle = summary.recipe, summary.oracle
            points.append(Point(recipe=recipe, oracle=oracle, mean=mean, low=low, high=high, cost=price))
    return tuple(points)


def frontier(points: Sequence[Point]) -> list[Point]:
    """Recipes that no cheaper or equally cheap one matches, the cheapest first; oracles are excluded."""
    best, front = float("-inf"), []
    usable = [point for point in points if not point.oracle]
    for point in sorted(usable, key=lambda point: (point.cost, -point.mean)):
        if point.mean > best:
            front.append(point)
            best = point.mean
    return front


def _picture(group: TaskGroup, quality: str, axis: Axis, points: Sequence[Point]) -> components.Picture:
    x = svg.fitting([point.cost for point in points], LEFT, RIGHT - 90)
    y = svg.Scale(0.0, min(1.0, max(point.high for point in points) * 1.08) or 1.0, BOTTOM, TOP)
    steps: list[tuple[float, float]] = []
    for point in frontier(points):
        if steps:
            steps.append((x(point.cost), steps[-1][1]))
        steps.append((x(point.cost), y(point.mean)))
    if steps:
        steps.append((RIGHT, steps[-1][1]))
    labels = _labels([(point.recipe, x(point.cost), y(point.mean)) for point in points])
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        _description(quality, axis, points),
        svg.x_axis(x, TOP, BOTTOM, [axis.write(tick) for tick in x.ticks()], axis.title),
        svg.y_axis(y, LEFT, RIGHT, [f"{100 * tick:.0f}" for tick in y.ticks()], f"{quality}, points"),
        svg.path(steps, "frontier"),
        *(_mark(group, axis, point, x, y) for point in points),
        *labels,
    )
    return components.Picture(
        name=axis.name, other=quality, drawing=drawing, table=_numbers(group, quality, axis, points)
    )


def _mark(group: TaskGroup, axis: Axis, point: Point, x: svg.Scale, y: svg.Scale) -> Markup:
    colour, at = group.colour(point.recipe), x(point.cost)
    tip = f"{point.recipe}: {formatting.score(point.mean)} points, {axis.write(point.cost)}"
    return svg.group(
        svg.line(at, y(point.low), at, y(point.high), f"whisker thin s{colour % svg.PALETTE}"),
        svg.mark(at, y(point.mean), colour, tip),
    )


def _labels(places: Sequence[tuple[str, float, float]]) -> list[Markup]:
    """Names right of their marks, moved up or down with a leader line until none overlap."""
    taken: list[tuple[float, float, float]] = []
    labels = []
    for name, x, y in sorted(places, key=lambda point: point[2]):
        left, width = x + 14, 7.0 * len(name)
        offsets = sorted(range(-210, 211, 7), key=abs)
        fits = (o for o in offsets if TOP <= y + o <= BOTTOM - 6 and not _covered(left, y + o, width, taken))
        shift = next(fits, 0)
        taken.append((left, y + shift, width))
        if abs(shift) > 7:
            labels.append(svg.line(x + 5, y, left - 2, y + shift, "leader"))
        labels.append(svg.text(left, y + shift + 4, name, "label halo"))
    return labels


def _covered(left: float, y: float, width: float, taken: Sequence[tuple[float, float, float]]) -> bool:
    return any(abs(y - oy) < 14 and left < ox + ow and ox < left + width for ox, oy, ow in taken)


def _description(quality: str, axis: Axis, points: Sequence[Point]) -> str:
    listed = "; ".join(f"{p.recipe} {formatting.score(p.mean)} at {axis.write(p.cost)}" for p in points)
    return f"Scatter plot of {quality} in points against {axis.title}: {listed}."


def _numbers(group: TaskGroup, quality: str, axis: Axis, points: Sequence[Point]) -> components.Table:
    best = {point.recipe for point in frontier(points)}
    columns = [
        (group.compared, ""),
        (quality, "points"),
        ("low", ""),
        ("high", ""),
        (axis.title, ""),
        ("frontier", ""),
    ]
    body = [
        [
            components.TableCell(text=p.recipe),
            *(components.number(formatting.score(value)) for value in (p.mean, p.low, p.high)),
            components.number(axis.write(p.cost)),
            components.number("yes" if p.recipe in best else "no"),
        ]
        for p in points
    ]
    return components.Table(caption=f"{quality} and {axis.title}", columns=columns, rows=body)

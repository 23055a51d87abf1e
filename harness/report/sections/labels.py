"""Label curves: the score by number of labels, against recipes without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.label_curve import LabelCurve, label_curve
from harness.evidence.verdict_types import RecipeSummary, RunScores
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components, svg
from harness.report.html.page import html
from harness.results.run_scores import scores

ORDER = 55
TITLE = "Labels"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 610.0, 34.0, 300.0

_SENTENCES = """<ul class="notes">{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>"""


@dataclass(frozen=True)
class Info:
    groups: tuple[tuple[TaskGroup, tuple[LabelCurve, ...], tuple[RecipeSummary, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = []
    for group in data.groups:
        curves = _curves(group)
        if curves and group.verdict is not None:
            flat = [r.recipe for r in group.runs if r.record.labels is None]
            references = tuple(s for s in group.verdict.summaries if s.recipe in flat and not s.oracle)
            groups.append((group, curves, references))
    return Info(tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    bodies = []
    for group, curves, references in info.groups:
        picture = components.Picture(
            name="", drawing=_drawing(group, curves, references), table=_numbers(curves)
        )
        caption = (
            "Mean score with its 95 % interval by number of labels; level lines are recipes without a curve."
        )
        lines = [line for c in curves for line in (c.sentence, *(o.sentence for o in c.overtakes))]
        bodies.append(
            (group.name, components.figure([picture], caption=caption) + html(_SENTENCES, lines=lines))
        )
    return components.groups(bodies)


def _curves(group: TaskGroup) -> tuple[LabelCurve, ...]:
    if group.verdict is None or all(run.record.labels is None for run in group.runs):
        return ()
    runs: dict[str, dict[int, list[RunScores]]] = {}
    references: dict[str, list[RunScores]] = {}
    for run in group.runs:
        if run.done:
            name, count, run_scores = (
                run.record.recipe.name,
                run.record.labels,
                scores(run.record, run.folder),
            )
            if count is None:
                references.setdefault(name, []).append(run_scores)
            else:
                runs.setdefault(name, {}).setdefault(count, []).append(run_scores)
    margin = group.verdict.margin
    return tuple(
        label_curve(name, points, _others(references, name), margin) for name, points in runs.items()
    )


def _others(references: Mapping[str, list[RunScores]], name: str) -> dict[str, list[RunScores]]:
    return {other: members for other, members in references.items() if other != name}


def _drawing(group: TaskGroup, curves: Sequence[LabelCurve], references: Sequence[RecipeSummary]) -> Markup:
    counts = sorted({point.labels for curve in curves for point in curve.points})
    x = svg.Scale(counts[0] / 1.15, counts[-1] * 1.15, LEFT, RIGHT, log=True)
    tops = [p.high for c in curves for p in c.points] + [s.mean for s in references]
    y = svg.Scale(0.0, min(1.0, max(tops) * 1.08) or 1.0, BOTTOM, TOP)
    drawn = [svg.text(x(count), BOTTOM + 16, str(count), "tick", "middle") for count in counts]
    names: list[tuple[float, str]] = []
    for summary in references:
        colour = group.colour(summary.recipe) % svg.PALETTE
        drawn.append(svg.line(LEFT, y(summary.mean), RIGHT, y(summary.mean), f"level s{colour}"))
        names.append((y(summary.mean), summary.recipe))
    for index, curve in enumerate(curves):
        points = [(x(point.labels), y(point.mean)) for point in curve.points]
        drawn.append(svg.path(points, f"curve s{index % svg.PALETTE}"))
        for point in curve.points:
            at = x(point.labels)
            drawn.append(
                svg.line(at, y(point.low), at, y(point.high), f"whisker thin s{index % svg.PALETTE}")
            )
            drawn.append(
                svg.mark(at, y(point.mean), index, f"{point.labels} labels: {formatting.score(point.mean)}")
            )
        names.append((points[-1][1], f"{curve.recipe}, by labels"))
    below = TOP - 15
    for height, name in sorted(names):
        below = max(height, below + 15)
        drawn.append(svg.text(RIGHT + 8, below + 4, name, "label"))
    listed = "; ".join(
        f"{c.recipe}: " + ", ".join(f"{formatting.score(p.mean)} with {p.labels}" for p in c.points)
        for c in curves
    )
    primary = "" if group.verdict is None else group.verdict.primary
    axis = svg.y_axis(y, LEFT, RIGHT, [f"{100 * tick:g}" for tick in y.ticks()], f"{primary}, points")
    title = svg.text((LEFT + RIGHT) / 2, BOTTOM + 36, "labels in train", "axis", "middle")
    return svg.svg(WIDTH, BOTTOM + 46, f"Score by number of labels. {listed}.", axis, title, *drawn)


def _numbers(curves: Sequence[LabelCurve]) -> components.Table:
    columns = [(name, "") for name in ("recipe", "labels", "score", "low", "high", "n", "seeds")]
    body = [
        [
            components.TableCell(text=curve.recipe),
            components.number(str(point.labels)),
            *(components.number(formatting.score(value)) for value in (point.mean, point.low, point.high)),
            components.number(str(point.n)),
            components.number(str(point.seeds)),
        ]
        for curve in curves
        for point in curve.points
    ]
    return components.Table(caption="Score by number of labels", columns=columns, rows=body)

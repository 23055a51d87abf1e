"""Trend over base models: each recipe's score on one task, model by model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.verdict_types import RecipeSummary
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components, svg

ORDER = 37
TITLE = "Base models"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 600.0, 34.0, 300.0


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One task: its models in the order of their first runs, and each recipe's summary by model."""

    task: str
    primary: str
    models: tuple[str, ...]
    recipes: Mapping[str, Mapping[str, RecipeSummary]]
    chosen: Mapping[str, str | None]
    """Model → the recipe recommended for it."""


@dataclass(frozen=True)
class Info:
    trends: tuple[Trend, ...]


def collect(data: ReportData) -> Info | None:
    tasks: dict[str, list[TaskGroup]] = {}
    for group in data.groups:
        # Runs of other tools are not listed by base model: there the models themselves are compared.
        if group.verdict is not None and group.verdict.summaries and group.compared == "recipe":
            tasks.setdefault(group.task, []).append(group)
    trends = [_trend(task, groups) for task, groups in tasks.items() if len(groups) > 1]
    return Info(tuple(trends)) if trends else None


def render(info: Info) -> Markup:
    caption = (
        "Mean score with its 95 % interval under each base model, in the order of their first runs. "
        "Models differ in more than size: the line joins the same recipe and is no forecast."
    )
    bodies = []
    for trend in info.trends:
        picture = components.Picture(name="", drawing=_drawing(trend), table=_numbers(trend))
        bodies.append((trend.task, components.figure([picture], caption=caption)))
    return components.groups(bodies)


def _trend(task: str, groups: Sequence[TaskGroup]) -> Trend:
    ordered = sorted(groups, key=lambda g: (min(str(r.record.started_at) for r in g.runs), g.model))
    verdicts = {group.model: group.verdict for group in ordered if group.verdict is not None}
    recipes: dict[str, dict[str, RecipeSummary]] = {}
    for model, verdict in verdicts.items():
        for summary in verdict.summaries:
            recipes.setdefault(summary.recipe, {})[model] = summary
    return Trend(
        task=task,
        primary=next(iter(verdicts.values())).primary,
        models=tuple(verdicts),
        recipes=dict(sorted(recipes.items())),
        chosen={model: verdict.recommended for model, verdict in verdicts.items()},
    )


def _drawing(trend: Trend) -> Markup:
    top = max(s.high for row in trend.recipes.values() for s in row.values())
    y = svg.Scale(0.0, min(1.0, top * 1.08) or 1.0, BOTTOM, TOP)
    x = {m: LEFT + (RIGHT - LEFT) * (index + 0.5) / len(trend.models) for index, m in enumerate(trend.models)}
    lines = [_line(index, name, row, x, y) for index, (name, row) in enumerate(trend.recipes.items())]
    ends = [(name, row[max(row, key=lambda m: x[m])]) for name, row in trend.recipes.items()]
    places = [(name, index, y(summary.mean)) for index, (name, summary) in enumerate(ends)]
    return svg.svg(
        WIDTH,
        BOTTOM + 46,
        _description(trend),
        svg.y_axis(
            y, LEFT, RIGHT, [f"{100 * tick:.0f}" for tick in y.ticks()], f"{trend.primary}, in points"
        ),
        *(svg.text(at, BOTTOM + 18, model, "tick", "middle") for model, at in x.items()),
        *lines,
        *_names(places),
    )


def _line(
    index: int, name: str, row: Mapping[str, RecipeSummary], x: Mapping[str, float], y: svg.Scale
) -> Markup:
    # Side by side, because equal scores would hide each other.
    at = {model: x[model] + 7.0 * (index % 5 - 2) for model in row}
    colour = f"s{index % svg.PALETTE}"
    whiskers = [svg.line(at[m], y(s.low), at[m], y(s.high), f"whisker thin {colour}") for m, s in row.items()]
    marks = [
        svg.mark(at[m], y(s.mean), index, f"{name}, {m}: {formatting.score(s.mean)} points")
        for m, s in row.items()
    ]
    return svg.group(
        svg.path([(at[m], y(s.mean)) for m, s in row.items()], f"curve {colour}"), *whiskers, *marks
    )


def _names(places: Sequence[tuple[str, int, float]]) -> list[Markup]:
    """Names with their marks right of the lines, moved down until none overlap."""
    labels, last = [], TOP - 20.0
    for name, index, y in sorted(places, key=lambda item: item[2]):
        last = max(y + 4, last + 16)
        labels += [
            svg.mark(RIGHT + 18, last - 4, index, name, radius=4.5),
            svg.text(RIGHT + 30, last, name, "label halo"),
        ]
    return labels


def _description(trend: Trend) -> str:
    listed = "; ".join(
        f"{name} " + ", ".join(f"{formatting.score(s.mean)} under {model}" for model, s in row.items())
        for name, row in trend.recipes.items()
    )
    return f"Line chart of {trend.primary} in points by base model: {listed}."


def _numbers(trend: Trend) -> components.Table:
    rows = []
    for name, row in trend.recipes.items():
        cells = []
        for model in trend.models:
            summary = row.get(model)
            if summary is None:
                cells.append(components.number(formatting.NONE))
                continue
            ends = components.interval(formatting.score(summary.low), formatting.score(summary.high))
            kind = "best" if trend.chosen[model] == name else ""
            cells.append(components.number(formatting.score(summary.mean), summary.mean, ends, kind))
        rows.append([components.TableCell(text=name), *cells])
    caption = f"{trend.primary} by base model, {trend.task}, in points; the recommended recipe is bold"
    return components.Table(
        caption=caption, columns=[("recipe", ""), *((m, "") for m in trend.models)], rows=rows
    )

"""History: each recipe's score over time and over base models, with upgrades and change points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.core.secrets import beginning
from harness.regression import history
from harness.regression.history import ChangePoint, Point, Series
from harness.report.data import ReportData
from harness.report.html import components, svg
from harness.report.html.page import html

ORDER = 38
TITLE = "History"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 524.0, 44.0, 300.0
KEY = RIGHT + 24
_LINE = 17.0
_WORDS = 24
"""How many characters fit beside the picture."""
_DATES = 7
_ONCE = (
    """{% if once %}<p class="key">One run only, no trend yet: {{ once|join(", ") }} points.</p>{% endif %}"""
)


@dataclass(frozen=True)
class Info:
    series: tuple[Series, ...]


def collect(data: ReportData) -> Info | None:
    """Series that add to the report's own runs: earlier runs, or an upgrade among them."""
    own = {run.id for run in data.runs}
    wanted = {(run.record.task.name, run.record.recipe.name) for run in data.runs if run.done}
    tasks = {task: data.runs[0].folder.parent.parent for task, _ in wanted}
    series = [
        item
        for task, results in sorted(tasks.items())
        for item in history.load(results, task, keep=lambda ids: len(ids) > 1 and not own.isdisjoint(ids))
    ]
    kept = [item for item in series if (item.task, item.recipe) in wanted and _says_more(item, own)]
    return Info(tuple(kept)) if kept else None


def _says_more(item: Series, own: set[str]) -> bool:
    runs = {point.run for point in item.points}
    return len(runs) > 1 and bool(runs & own) and (bool(runs - own) or any(p.changed for p in item.points))


def render(info: Info) -> Markup:
    caption = (
        "Each mark is a run with its 95 % interval, evenly spaced in chronological order. Numbered lines: "
        "upgrades, something other than the seed was changed. Dashed levels: the means before and after a change point; "
        "the shaded range contains the change with 95 % confidence."
    )
    tasks = {item.task: [s for s in info.series if s.task == item.task] for item in info.series}
    return components.groups([(task, _body(series, caption)) for task, series in tasks.items()])


def _body(series: Sequence[Series], caption: str) -> Markup:
    """The trends, and the names of recipes that ran only once."""
    pictures = [
        components.Picture(name=item.name, drawing=_drawing(item), table=_numbers(item))
        for item in series
        if len(item.points) > 1
    ]
    once = [
        f"{item.name} {formatting.score(item.points[0].mean)}" for item in series if len(item.points) == 1
    ]
    drawn = components.figure(pictures, caption=caption, question="Trend of") if pictures else Markup("")
    return drawn + html(_ONCE, once=once)


def _drawing(item: Series) -> Markup:
    points = item.points
    y = svg.linear([end for p in points for end in (p.low, p.high)], BOTTOM, TOP)
    step = (RIGHT - LEFT) / len(points)
    x = [LEFT + step * (index + 0.5) for index in range(len(points))]
    models = list(dict.fromkeys(_model(p) for p in points))
    labels = [f"{100 * tick:.3g}" for tick in y.ticks()]
    return svg.svg(
        WIDTH,
        max(BOTTOM + 46, TOP + _LINE * (len(models) + min(len(_upgrades(item)), _room(models)) + 1)),
        _description(item),
        *([] if item.change is None else [_band(item, item.change, x, step)]),
        svg.y_axis(y, LEFT, RIGHT, labels, f"{item.primary}, in points"),
        *_upgrade_lines(item, x, step),
        *([] if item.change is None else [_levels(item, item.change, x, y, step)]),
        svg.path([(at, y(p.mean)) for at, p in zip(x, points, strict=True)], "curve past"),
        *(_point(at, p, models.index(_model(p)), y) for at, p in zip(x, points, strict=True)),
        *_dates(points, x),
        *_key(item, models),
    )


def _point(x: float, point: Point, index: int, y: svg.Scale) -> Markup:
    title = f"{point.run}: {formatting.score(point.mean)} points"
    whisker = svg.line(x, y(point.low), x, y(point.high), f"whisker thin s{index % svg.PALETTE}")
    return svg.group(whisker, svg.mark(x, y(point.mean), index, title))


def _band(item: Series, change: ChangePoint, x: Sequence[float], step: float) -> Markup:
    first, last = x[_index(item, change.first)] - step, x[_index(item, change.last)]
    return svg.element(
        "rect", x=first, y=TOP, width=max(last - first, 2.0), height=BOTTOM - TOP, class_="margin"
    )


def _levels(item: Series, change: ChangePoint, x: Sequence[float], y: svg.Scale, step: float) -> Markup:
    middle = x[_index(item, change.run)] - step / 2
    size = f"{formatting.signed(change.change)} [{formatting.signed(change.low)}, {formatting.signed(change.high)}]"
    anchor = "end" if middle > (LEFT + RIGHT) / 2 else "start"
    return svg.group(
        svg.line(LEFT, y(change.before), middle, y(change.before), "level mean"),
        svg.line(middle, y(change.after), RIGHT, y(change.after), "level mean"),
        svg.text(middle + (-8 if anchor == "end" else 8), BOTTOM - 10, size, "strong halo", anchor),
    )


def _index(item: Series, run: str) -> int:
    return next(index for index, point in enumerate(item.points) if point.run == run)


def _upgrades(item: Series) -> list[tuple[int, Point]]:
    return [(index, point) for index, point in enumerate(item.points) if point.changed]


def _upgrade_lines(item: Series, x: Sequence[float], step: float) -> list[Markup]:
    lines = []
    for number, (index, point) in enumerate(_upgrades(item), start=1):
        middle = x[index] - step / 2
        name = svg.element(
            "text", Markup(svg.element("title", "; ".join(point.changed))) + str(number),
            x=middle, y=TOP - 6, class_="tick", text_anchor="middle",
        )  # fmt: skip
        lines.append(svg.group(svg.line(middle, TOP, middle, BOTTOM, "kept"), name))
    return lines


def _dates(points: Sequence[Point], x: Sequence[float]) -> list[Markup]:
    """Days, or times if all runs are from one day; only where they change, and as many as fit."""
    days = [point.at[:10] for point in points]
    words = [point.at[11:16] for point in points] if len(set(days)) == 1 else days
    every = -(-len(points) // _DATES)
    shown = [
        index for index in range(0, len(points), every) if index == 0 or words[index] != words[index - every]
    ]
    title = f"{days[0]}, UTC" if len(set(days)) == 1 else "day of the run"
    return [
        *(svg.text(x[index], BOTTOM + 18, words[index], "tick", "middle") for index in shown),
        svg.text((LEFT + RIGHT) / 2, BOTTOM + 38, title, "axis", "middle"),
    ]


def _key(item: Series, models: Sequence[str]) -> list[Markup]:
    """Base models with their marks and upgrades with their numbers, right of the picture."""
    marks, y = [], TOP
    for index, name in enumerate(models):
        marks += [svg.mark(KEY, y, index, name, radius=4.5), svg.text(KEY + 12, y + 4, name, "label")]
        y += _LINE
    upgrades, room = _upgrades(item), _room(models)
    for number, (_, point) in enumerate(upgrades[:room], start=1):
        y += _LINE if number > 1 else _LINE / 2
        marks.append(svg.text(KEY - 5, y + 4, f"{number}", "tick"))
        marks.append(svg.text(KEY + 12, y + 4, _cut(_facts(point)), "tick"))
    if len(upgrades) > room:
        marks.append(
            svg.text(KEY + 12, y + _LINE + 4, f"and {len(upgrades) - room} more: the numbers", "tick")
        )
    return marks


def _room(models: Sequence[str]) -> int:
    return max(int((BOTTOM - TOP) / _LINE) - len(models) - 2, 3)


def _facts(point: Point) -> str:
    """What an upgrade changed, in a few words: "model, base, torch"."""
    names = [sentence.partition(": ")[0].split(".") for sentence in point.changed]
    short = [
        name[-1] if name[0] in ("versions", "runtime") else name[1 if name[0] == "recipe" else 0]
        for name in names
    ]
    return ", ".join(dict.fromkeys(short))


def _model(point: Point) -> str:
    name = point.model.rstrip("/").rpartition("/")[2]
    base = "" if point.base == "plain" else f", {point.base}"
    return _cut(name, _WORDS - len(base)) + base


def _cut(text: str, length: int = _WORDS) -> str:
    return beginning(text, length)


def _description(item: Series) -> str:
    listed = "; ".join(
        f"{p.at[:10]} {_model(p)} {formatting.score(p.mean)} ({formatting.score(p.low)} to {formatting.score(p.high)})"
        + (f", after a change of {_facts(p)}" if p.changed else "")
        for p in item.points
    )
    text = f"Scores of {item.name} over time, {item.primary} in points: {listed}."
    if item.change is None:
        return text
    ends = f"{formatting.signed(item.change.low)} to {formatting.signed(item.change.high)}"
    return (
        f"{text} Change point at {item.change.run}: {formatting.signed(item.change.change)} points ({ends})."
    )


def _numbers(item: Series) -> components.Table:
    order = {point.run: number for number, (_, point) in enumerate(_upgrades(item), start=1)}
    rows = []
    for point in item.points:
        ends = components.interval(formatting.score(point.low), formatting.score(point.high))
        changed = "; ".join(point.changed)
        what = f"{order[point.run]}: {changed}" if changed else ""
        if item.change is not None and item.change.run == point.run:
            what = f"change point (between {item.change.first} and {item.change.last}); {what}".rstrip("; ")
        rows.append(
            [
                components.TableCell(text=point.at[:16].replace("T", " ")),
                components.number(formatting.score(point.mean), point.mean, ends),
                components.number(str(point.n)),
                components.number(str(point.seed)),
                components.number(point.model),
                components.number(point.base),
                components.number(what),
                components.number(point.run),
            ]
        )
    columns = [
        ("time", "UTC"), ("score", "points"), ("n", ""), ("seed", ""), ("model", ""), ("base", ""),
        ("what changed", "since the run before"), ("run", ""),
    ]  # fmt: skip
    return components.Table(
        caption=f"{item.name} on {item.task} over time, {item.primary} in points",
        columns=columns,
        rows=rows,
        words=("model", "what changed", "run"),
    )

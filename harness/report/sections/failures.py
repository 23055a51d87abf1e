"""Why answers lost points: per recipe, how many of each failure mode, linked to the examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from harness.evidence.failure_modes import ABOUT
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components, svg

ORDER = 40
TITLE = "Failure modes"
WIDTH, RIGHT, ROW, TOP = 760.0, 740.0, 36.0, 8.0
RIGHT_ANSWER, ERROR = "right", "error"


@dataclass(frozen=True)
class Bar:
    """The answers of one run, counted by outcome."""

    run: Run
    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Info:
    """Per group: one bar per run, and the modes that occur, most common first."""

    groups: tuple[tuple[TaskGroup, tuple[Bar, ...], tuple[str, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = []
    for group in data.groups:
        bars = tuple(Bar(r, group.run_name(r), _counts(r)) for r in group.runs if r.rows)
        modes = sum((Counter(bar.counts) for bar in bars), Counter())
        names = tuple(name for name, _ in modes.most_common() if name not in (RIGHT_ANSWER, ERROR))
        if bars and (names or modes[ERROR]):
            groups.append((group, bars, names + ((ERROR,) if modes[ERROR] else ())))
    return Info(tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    bodies = []
    for group, bars, modes in info.groups:
        names = [(_class(mode, modes), f"{mode}: {_about(mode)}") for mode in modes]
        key = components.legend([*names, ("right", "right: full score, strictly valid")])
        picture = components.Picture(
            name="", drawing=_drawing(bars, modes), table=_numbers(group, bars, modes)
        )
        caption = "Answers by what was wrong with them. Click a segment to read those examples."
        bodies.append((group.name, components.figure([picture], caption=caption) + key))
    return components.groups(bodies)


def _counts(run: Run) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in run.rows:
        counts[ERROR if row.finish_reason == "error" else row.failure or RIGHT_ANSWER] += 1
    return counts


def _about(mode: str) -> str:
    return "an execution error, never counted as wrong" if mode == ERROR else ABOUT.get(mode, mode)


def _class(mode: str, modes: Sequence[str]) -> str:
    if mode in (RIGHT_ANSWER, ERROR):
        return mode
    return f"c{modes.index(mode) % svg.PALETTE}"


def _drawing(bars: Sequence[Bar], modes: Sequence[str]) -> Markup:
    bottom = TOP + ROW * len(bars)
    left = svg.beside(bar.name for bar in bars)
    x = svg.Scale(0.0, float(max(bar.total for bar in bars)), left, RIGHT)
    labels = [f"{tick:g}" for tick in x.ticks()]
    listed = "; ".join(
        f"{bar.name}: "
        + ", ".join(f"{bar.counts[m]} {m}" for m in (*modes, RIGHT_ANSWER) if bar.counts.get(m))
        for bar in bars
    )
    return svg.svg(
        WIDTH,
        bottom + 46,
        f"Stacked bars of answers by failure mode. {listed}.",
        svg.x_axis(x, TOP, bottom, labels, "answers"),
        *(_bar(bar, modes, x, TOP + ROW * index) for index, bar in enumerate(bars)),
        role="group",
    )


def _bar(bar: Bar, modes: Sequence[str], x: svg.Scale, y: float) -> Markup:
    drawn = [svg.text(x.start - 14, y + ROW / 2 + 4, bar.name, "label", "end")]
    start = 0
    for mode in (*modes, RIGHT_ANSWER):
        count = bar.counts.get(mode, 0)
        if count:
            left, right = x(start), x(start + count)
            drawn.append(_part(bar, mode, count, _class(mode, modes), (left, y + 6, right - left, ROW - 12)))
            start += count
    return svg.group(*drawn)


def _part(bar: Bar, mode: str, count: int, class_: str, box: tuple[float, float, float, float]) -> Markup:
    left, top, width, height = box
    inside = [
        svg.element("title", f"{bar.name}: {count} {mode}"),
        svg.element(
            "rect", x=left, y=top, width=max(width - 1.5, 1.0), height=height, rx=2, class_=f"fill {class_}"
        ),
    ]
    if width > 9 * len(str(count)) + 6:
        inside.append(
            svg.text(left + (width - 1.5) / 2, top + height / 2 + 4, str(count), f"on {class_}", "middle")
        )
    href = "#examples?" + urlencode({"b": bar.run.id, "failure": mode})
    return svg.element(
        "a", Markup("").join(inside), href=href, aria_label=f"{count} {mode} answers of {bar.name}"
    )


def _numbers(group: TaskGroup, bars: Sequence[Bar], modes: Sequence[str]) -> components.Table:
    shown = (*modes, RIGHT_ANSWER)
    body = [
        [
            components.TableCell(text=bar.name),
            *(components.number(str(bar.counts.get(mode, 0))) for mode in shown),
            components.number(str(bar.total)),
        ]
        for bar in bars
    ]
    columns = [("run", ""), *((mode, "") for mode in shown), ("answers", "")]
    return components.Table(caption=f"Answers by failure mode, {group.name}", columns=columns, rows=body)

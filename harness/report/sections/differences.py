"""Paired differences from a reference that the reader chooses, as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.pairwise import flip
from harness.evidence.planning import level_of_each
from harness.evidence.provisional_text import ALONE_LEGEND, of_these_runs, starred
from harness.evidence.verdict_types import Comparison, Verdict
from harness.report.data import ReportData, TaskGroup
from harness.report.html import components, svg
from harness.report.sections.matrix import MARKS

ORDER = 20
TITLE = "Differences"
WIDTH, RIGHT, ROW, TOP = 760.0, 560.0, 34.0, 16.0


@dataclass(frozen=True)
class Info:
    """Per group: its verdict, and for each reference the comparisons against it."""

    groups: tuple[tuple[TaskGroup, Verdict, tuple[tuple[str, tuple[Comparison, ...]], ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = []
    for group in data.groups:
        if group.verdict is not None and group.verdict.comparisons:
            groups.append((group, group.verdict, _by_reference(group.verdict)))
    return Info(tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    bodies = []
    for group, verdict, references in info.groups:
        pictures = [_picture(group, verdict, reference, pairs) for reference, pairs in references]
        caption = (
            f"Each line: {verdict.compared} minus reference on the same examples, with the interval that decides (all of them "
            f"hold together at 95 %). Shaded: within "
            f"{formatting.score(verdict.margin)} points either way, too little to matter. Filled: settled."
        )
        if any(map(of_these_runs, verdict.comparisons)):
            caption += f" {ALONE_LEGEND}"
        bodies.append((group.name, components.figure(pictures, caption=caption, question="Difference from")))
    return components.groups(bodies)


def _by_reference(verdict: Verdict) -> tuple[tuple[str, tuple[Comparison, ...]], ...]:
    names = [s.recipe for s in verdict.summaries if not s.oracle]
    first = [name for name in names if name == verdict.recommended]
    alpha = level_of_each(len(verdict.comparisons))
    references = []
    for reference in [*first, *(name for name in names if name not in first)]:
        rows = []
        for name in names:
            pair = verdict.comparison(name, reference)
            if name != reference and pair is not None:
                rows.append(pair if pair.recipe == name else flip(pair, verdict.margin, alpha))
        if rows:
            references.append((reference, tuple(sorted(rows, key=lambda c: -c.difference))))
    return tuple(references)


def _picture(
    group: TaskGroup, verdict: Verdict, reference: str, rows: Sequence[Comparison]
) -> components.Picture:
    bottom = TOP + ROW * len(rows)
    ends = [0.0, -verdict.margin, verdict.margin, *(c.low for c in rows), *(c.high for c in rows)]
    x = svg.linear(ends, svg.beside(c.recipe for c in rows), RIGHT)
    labels = [formatting.signed(tick).removesuffix(".0") if tick else "0" for tick in x.ticks()]
    band = svg.element(
        "rect", x=x(-verdict.margin), y=TOP, width=x(verdict.margin) - x(-verdict.margin),
        height=bottom - TOP, class_="margin",
    )  # fmt: skip
    drawing = svg.svg(
        WIDTH,
        bottom + 46,
        _description(reference, rows),
        band,
        svg.x_axis(x, TOP, bottom, labels, f"{verdict.primary}, points more than {reference}"),
        svg.line(x(0), TOP, x(0), bottom, "zero"),
        *(_row(group, x, index, pair) for index, pair in enumerate(rows)),
    )
    return components.Picture(
        name=reference, drawing=drawing, table=_numbers(verdict.compared, reference, rows)
    )


def _row(group: TaskGroup, x: svg.Scale, index: int, pair: Comparison) -> Markup:
    y = TOP + ROW * (index + 0.5)
    colour = group.colour(pair.recipe)
    open_ = " open" if pair.outcome == "inconclusive" else ""
    shown = f"{formatting.signed(pair.difference)}  [{formatting.signed(pair.low)}, {formatting.signed(pair.high)}]{starred(pair)}"
    return svg.group(
        svg.text(x.start - 14, y + 4, pair.recipe, "label", "end"),
        svg.line(x(pair.low), y, x(pair.high), y, f"whisker s{colour % svg.PALETTE}"),
        svg.mark(x(pair.difference), y, colour, f"{pair.recipe}: {shown}"),
        svg.text(RIGHT + 18, y + 4, f"{MARKS[pair.outcome][0]}  {shown}", "value"),
        class_=f"row{open_}",
    )


def _description(reference: str, rows: Sequence[Comparison]) -> str:
    listed = "; ".join(
        f"{c.recipe} {formatting.signed(c.difference)} ({formatting.signed(c.low)} to {formatting.signed(c.high)}), "
        f"{MARKS[c.outcome][1]}"
        for c in rows
    )
    return f"Forest plot of paired differences from {reference}, in points: {listed}."


def _numbers(compared: str, reference: str, rows: Sequence[Comparison]) -> components.Table:
    columns = [
        (compared, ""), ("difference", "points"), ("low", ""), ("high", ""), ("outcome", ""),
        ("p", "before correction"), ("p, Holm", "after correction over all pairs"), ("better on", "examples"),
        ("worse on", "examples"), ("n", ""), ("more examples needed", "to settle it"), ("method", ""),
    ]  # fmt: skip
    body = [
        [
            components.TableCell(text=c.recipe),
            *(components.number(formatting.signed(value)) for value in (c.difference, c.low, c.high)),
            components.number(MARKS[c.outcome][1]),
            components.number(formatting.p_value(c.p)),
            components.number(formatting.p_value(c.p_holm)),
            *(components.number(str(value)) for value in (c.wins, c.losses, c.n)),
            components.number(formatting.count(c.examples_needed)),
            components.number(c.method),
        ]
        for c in rows
    ]
    return components.Table(caption=f"Differences from {reference}, in points", columns=columns, rows=body)

"""Paired differences from a reference of the reader's choice, as a forest plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.decide.compare import flip, level_of_each
from harness.decide.values import Comparison, Verdict
from harness.report import numbers, parts, svg
from harness.report.data import Group, ReportData
from harness.report.sections.matrix import MARKS

ORDER = 20
TITLE = "Differences"
WIDTH, RIGHT, ROW, TOP = 760.0, 560.0, 34.0, 16.0


@dataclass(frozen=True)
class Info:
    """Per group: its verdict, and for each reference the comparisons against it."""

    groups: tuple[tuple[Group, Verdict, tuple[tuple[str, tuple[Comparison, ...]], ...]], ...]


def collect(data: ReportData) -> Info | None:
    found = []
    for group in data.groups:
        if group.verdict is not None and group.verdict.comparisons:
            found.append((group, group.verdict, _by_reference(group.verdict)))
    return Info(tuple(found)) if found else None


def render(info: Info) -> Markup:
    bodies = []
    for group, verdict, references in info.groups:
        pictures = [_picture(group, verdict, reference, found) for reference, found in references]
        caption = (
            f"Each line: recipe minus reference on the same examples, with the interval that decides (all of them "
            f"hold together at 95 %). Shaded: within "
            f"{numbers.score(verdict.margin)} points either way, too little to matter. Filled: settled."
        )
        bodies.append((group.name, parts.figure(pictures, caption=caption, question="Difference from")))
    return parts.groups(bodies)


def _by_reference(verdict: Verdict) -> tuple[tuple[str, tuple[Comparison, ...]], ...]:
    names = [s.recipe for s in verdict.summaries if not s.oracle]
    first = [name for name in names if name == verdict.recommended]
    alpha = level_of_each(len(verdict.comparisons))
    found = []
    for reference in [*first, *(name for name in names if name not in first)]:
        rows = []
        for name in names:
            pair = verdict.comparison(name, reference)
            if name != reference and pair is not None:
                rows.append(pair if pair.recipe == name else flip(pair, verdict.margin, alpha))
        if rows:
            found.append((reference, tuple(sorted(rows, key=lambda c: -c.difference))))
    return tuple(found)


def _picture(group: Group, verdict: Verdict, reference: str, rows: Sequence[Comparison]) -> parts.Picture:
    bottom = TOP + ROW * len(rows)
    ends = [0.0, -verdict.margin, verdict.margin, *(c.low for c in rows), *(c.high for c in rows)]
    x = svg.linear(ends, svg.beside(c.recipe for c in rows), RIGHT)
    labels = [numbers.signed(tick).removesuffix(".0") if tick else "0" for tick in x.ticks()]
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
        *(_row(group, x, place, found) for place, found in enumerate(rows)),
    )
    return parts.Picture(name=reference, drawing=drawing, table=_numbers(reference, rows))


def _row(group: Group, x: svg.Scale, place: int, found: Comparison) -> Markup:
    y = TOP + ROW * (place + 0.5)
    colour = group.colour(found.recipe)
    open_ = " open" if found.outcome == "inconclusive" else ""
    shown = f"{numbers.signed(found.difference)}  [{numbers.signed(found.low)}, {numbers.signed(found.high)}]"
    return svg.group(
        svg.text(x.start - 14, y + 4, found.recipe, "label", "end"),
        svg.line(x(found.low), y, x(found.high), y, f"whisker s{colour % svg.PALETTE}"),
        svg.mark(x(found.difference), y, colour, f"{found.recipe}: {shown}"),
        svg.text(RIGHT + 18, y + 4, f"{MARKS[found.outcome][0]}  {shown}", "value"),
        class_=f"row{open_}",
    )


def _description(reference: str, rows: Sequence[Comparison]) -> str:
    said = "; ".join(
        f"{c.recipe} {numbers.signed(c.difference)} ({numbers.signed(c.low)} to {numbers.signed(c.high)}), "
        f"{MARKS[c.outcome][1]}"
        for c in rows
    )
    return f"Forest plot of paired differences from {reference}, in points: {said}."


def _numbers(reference: str, rows: Sequence[Comparison]) -> parts.Table:
    columns = [
        ("recipe", ""), ("difference", "points"), ("low", ""), ("high", ""), ("outcome", ""),
        ("p", "before correction"), ("p, Holm", "after correction over all pairs"), ("better on", "examples"),
        ("worse on", "examples"), ("n", ""), ("more examples needed", "to settle it"), ("method", ""),
    ]  # fmt: skip
    body = [
        [
            parts.Cell(text=c.recipe),
            *(parts.number(numbers.signed(value)) for value in (c.difference, c.low, c.high)),
            parts.number(MARKS[c.outcome][1]),
            parts.number(numbers.p_value(c.p)),
            parts.number(numbers.p_value(c.p_holm)),
            *(parts.number(str(value)) for value in (c.wins, c.losses, c.n)),
            parts.number(numbers.count(c.examples_needed)),
            parts.number(c.method),
        ]
        for c in rows
    ]
    return parts.Table(caption=f"Differences from {reference}, in points", columns=columns, rows=body)

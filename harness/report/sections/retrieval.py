"""Retrieval: how often the gold passage is among the first k, how high it ranks, and what finding it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from markupsafe import Markup

from harness.core import formatting
from harness.evidence.ranking import documents_of, gold_of, ndcg_at_k, recall_at_k, reciprocal_rank
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components, svg

ORDER = 50
TITLE = "Retrieval"
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 600.0, 34.0, 250.0


@dataclass(frozen=True)
class Curve:
    """Recall after the first 1, 2, … k passages, how high the gold stands, and the mean score with and without
    all gold found."""

    run: Run
    name: str
    n: int
    recall: tuple[float, ...]
    with_gold: int
    score_found: float | None
    score_missed: float | None
    ndcg: float
    mrr: float


@dataclass(frozen=True)
class Info:
    groups: tuple[tuple[TaskGroup, tuple[Curve, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = []
    for group in data.groups:
        curves = tuple(curve for run in group.runs if (curve := _curve(group, run)) is not None)
        if curves:
            groups.append((group, curves))
    return Info(tuple(groups)) if groups else None


def render(info: Info) -> Markup:
    bodies = []
    for group, curves in info.groups:
        picture = components.Picture(name="", drawing=_drawing(group, curves), table=_numbers(curves))
        caption = "Share of the gold documents among the first k passages, mean over examples that name gold."
        bodies.append(
            (group.name, components.figure([picture], caption=caption) + components.table(_worth(curves)))
        )
    return components.groups(bodies)


def _curve(group: TaskGroup, run: Run) -> Curve | None:
    rows = [row for row in run.rows if (row.passages or row.searched) and row.context_ids]
    if not rows:
        return None
    depth = max(1, *(len(row.passages) for row in rows))
    ranked = [(documents_of(row), gold_of(row)) for row in rows]
    recall = [fmean(recall_at_k(names[:k], gold) for names, gold in ranked) for k in range(1, depth + 1)]
    scores: dict[bool, list[float]] = {True: [], False: []}
    for (names, gold), row in zip(ranked, rows, strict=True):
        value = run.score(row)
        if value is not None:
            scores[recall_at_k(names, gold) == 1.0].append(value)
    means = {hit: fmean(values) if values else None for hit, values in scores.items()}
    return Curve(
        run=run,
        name=group.run_name(run),
        n=len(rows),
        recall=tuple(recall),
        with_gold=len(scores[True]),
        score_found=means[True],
        score_missed=means[False],
        ndcg=fmean(ndcg_at_k(names, gold) for names, gold in ranked),
        mrr=fmean(reciprocal_rank(names, gold) for names, gold in ranked),
    )


def _drawing(group: TaskGroup, curves: Sequence[Curve]) -> Markup:
    depth = max(len(curve.recall) for curve in curves)
    x = svg.Scale(1.0, float(max(depth, 2)), LEFT + 20, RIGHT - 20)
    y = svg.Scale(0.0, 1.0, BOTTOM, TOP)
    drawn = []
    for k in range(1, depth + 1):
        drawn.append(svg.text(x(k), BOTTOM + 16, str(k), "tick", "middle"))
    ends: list[float] = []
    for curve in sorted(curves, key=lambda c: -c.recall[-1]):
        colour = group.colour(curve.run.recipe)
        places = [(x(k), y(value)) for k, value in enumerate(curve.recall, start=1)]
        drawn.append(svg.path(places, f"curve s{colour % svg.PALETTE}"))
        drawn += [
            svg.mark(*at, colour, f"{curve.name}, k = {k}: {formatting.percent(value)}", 4.5)
            for k, (at, value) in enumerate(zip(places, curve.recall, strict=True), start=1)
        ]
        height = max([places[-1][1], *(end + 15 for end in ends)]) if ends else places[-1][1]
        ends.append(height)
        drawn.append(svg.text(places[-1][0] + 12, height + 4, curve.name, "label halo"))
    listed = "; ".join(
        f"{c.name}: " + ", ".join(formatting.percent(value) for value in c.recall) for c in curves
    )
    axis = svg.y_axis(y, LEFT, RIGHT, [formatting.percent(tick) for tick in y.ticks()], "recall")
    title = svg.text((LEFT + RIGHT) / 2, BOTTOM + 36, "k, passages in the prompt", "axis", "middle")
    return svg.svg(WIDTH, BOTTOM + 46, f"Recall after 1 to {depth} passages. {listed}.", axis, title, *drawn)


def _numbers(curves: Sequence[Curve]) -> components.Table:
    depth = max(len(curve.recall) for curve in curves)
    columns = [
        ("run", ""),
        *((f"recall@{k}", "") for k in range(1, depth + 1)),
        (
            "nDCG",
            "Normalized discounted cumulative gain over all passages shown; 100 %: the gold ranks first",
        ),
        ("MRR", "Mean of 1 / rank of the first gold document"),
        ("n", ""),
    ]
    body = []
    for curve in curves:
        values = [formatting.percent(value) for value in curve.recall]
        values += [formatting.NONE] * (depth - len(values))
        values += [formatting.percent(curve.ndcg), formatting.percent(curve.mrr), str(curve.n)]
        body.append([components.TableCell(text=curve.name), *(components.number(value) for value in values)])
    return components.Table(caption="Recall by number of passages", columns=columns, rows=body)


def _worth(curves: Sequence[Curve]) -> components.Table:
    columns = [
        ("run", ""),
        ("score, gold found", "Mean primary score where all gold documents were retrieved"),
        ("score, gold missed", "Mean primary score of the others"),
        ("gold found", "Examples"),
        ("asked", "Examples that name gold documents"),
    ]
    body = [
        [
            components.TableCell(text=curve.name),
            components.number(formatting.score(curve.score_found)),
            components.number(formatting.score(curve.score_missed)),
            components.number(str(curve.with_gold)),
            components.number(str(curve.n)),
        ]
        for curve in curves
    ]
    return components.Table(caption="What finding the gold documents is worth", columns=columns, rows=body)

"""Training: loss per step, dev loss and dev score, one small picture per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.core import formatting
from harness.report.data import ReportData, Run, TaskGroup
from harness.report.html import components, svg
from harness.report.html.page import html
from harness.results.records.step import TrainStep

ORDER = 60
TITLE = "Training"
WIDTH, LEFT, RIGHT, TOP = 360.0, 40.0, 345.0, 44.0
LOSS_BOTTOM, SCORE_TOP, SCORE_BOTTOM = 160.0, 210.0, 270.0
MOST_POINTS = 300
"""Steps drawn per curve; more are averaged in equal spans."""

_GRID = """\
<div class="multiples">{% for figure in figures %}{{ figure }}{% endfor %}</div>
<p class="key"><span class="swatch train"></span> train loss
<span class="swatch dev"></span> dev loss <span class="swatch score"></span> dev score, points.
Nats per response token. The dashed line is the checkpoint that was kept.</p>
"""


@dataclass(frozen=True)
class Info:
    groups: tuple[tuple[TaskGroup, tuple[Run, ...]], ...]


def collect(data: ReportData) -> Info | None:
    groups = [(group, tuple(run for run in group.runs if len(run.steps) > 1)) for group in data.groups]
    kept = tuple((group, runs) for group, runs in groups if runs)
    return Info(kept) if kept else None


def render(info: Info) -> Markup:
    bodies = []
    for group, runs in info.groups:
        figures = [
            components.figure([_picture(group.run_name(run), run)], caption=_caption(run)) for run in runs
        ]
        bodies.append((group.name, html(_GRID, figures=figures)))
    return components.groups(bodies)


def _caption(run: Run) -> str:
    train = run.record.train
    if not train:
        return "Not finished."
    sentences = [
        formatting.seconds(train.seconds),
        f"{train.steps} steps",
        f"{formatting.count(train.trainable_parameters)} of {formatting.count(train.total_parameters)} parameters",
    ]
    if train.dropped:
        sentences.append(f"{len(train.dropped)} examples dropped, too long")
    diagnosis = [f"Diagnosis: {sentence}" for sentence in train.diagnosis]
    return " · ".join([*diagnosis, *sentences, *train.notes])


def _picture(name: str, run: Run) -> components.Picture:
    steps = _numbered(run.steps)
    losses = _thinned([(at, step.loss) for at, step in steps if step.loss is not None])
    dev = [(at, step.dev_loss) for at, step in steps if step.dev_loss is not None]
    scores = [(p, s.dev_score) for p, s in steps if s.dev_score is not None and not s.dev_part]
    x = svg.Scale(steps[0][0], max(steps[-1][0], steps[0][0] + 1), LEFT, RIGHT)
    y = svg.Scale(0.0, max([value for _, value in losses + dev] or [1.0]) * 1.08 or 1.0, LOSS_BOTTOM, TOP)
    drawn = [
        svg.text(0, 16, name, "label strong"),
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], ""),
        svg.path([(x(at), y(value)) for at, value in losses], "curve train"),
        svg.path([(x(at), y(value)) for at, value in dev], "curve dev") if len(dev) > 1 else Markup(""),
        *(svg.element("circle", cx=x(p), cy=y(v), r=3.5, class_="mark dev") for p, v in dev),
        _best(run, x, bool(scores)),
    ]
    if scores:
        drawn.append(_scores(scores, x))
    bottom = SCORE_BOTTOM if scores else LOSS_BOTTOM
    drawn.append(_steps_axis(x, bottom))
    drawing = svg.svg(WIDTH, bottom + 38, _description(name, losses, dev, scores), *drawn, class_="small")
    return components.Picture(name=name, drawing=drawing, table=_table(name, run.steps))


def _numbered(steps: Sequence[TrainStep]) -> list[tuple[float, TrainStep]]:
    """Steps counted on through all stages, so that a second stage appears to the right of the first."""
    numbered, offset, last, stage = [], 0, 0, steps[0].stage
    for step in steps:
        if step.stage != stage:
            offset, stage = offset + last, step.stage
        last = step.step
        numbered.append((float(offset + last), step))
    return numbered


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    span = -(-len(points) // MOST_POINTS) or 1
    spans = [points[start : start + span] for start in range(0, len(points), span)]
    return [(sum(p for p, _ in s) / len(s), sum(v for _, v in s) / len(s)) for s in spans]


def _scores(scores: Sequence[tuple[float, float]], x: svg.Scale) -> Markup:
    y = svg.Scale(0.0, max(value for _, value in scores) * 1.15 or 1.0, SCORE_BOTTOM, SCORE_TOP)
    return svg.group(
        svg.y_axis(y, LEFT, RIGHT, [f"{100 * tick:g}" for tick in y.ticks(2)][: len(y.ticks())], "")
        if len(y.ticks()) == len(y.ticks(2))
        else _ends(y),
        svg.path([(x(at), y(value)) for at, value in scores], "curve score"),
        *(svg.element("circle", cx=x(p), cy=y(v), r=3.5, class_="mark score") for p, v in scores),
    )


def _ends(y: svg.Scale) -> Markup:
    ticks = y.ticks(2)
    return svg.group(
        *(svg.line(LEFT, y(tick), RIGHT, y(tick), "grid") for tick in ticks),
        *(svg.text(LEFT - 8, y(tick) + 4, f"{100 * tick:g}", "tick", "end") for tick in ticks),
    )


def _best(run: Run, x: svg.Scale, scored: bool) -> Markup:
    best = run.record.train.best_step if run.record.train else None
    if best is None or not x.low <= best <= x.high:
        return Markup("")
    return svg.line(x(best), TOP, x(best), SCORE_BOTTOM if scored else LOSS_BOTTOM, "kept")


def _steps_axis(x: svg.Scale, bottom: float) -> Markup:
    ticks = [tick for tick in x.ticks(4) if tick == int(tick)]
    return svg.group(
        *(svg.text(x(tick), bottom + 16, f"{tick:g}", "tick", "middle") for tick in ticks),
        svg.text((LEFT + RIGHT) / 2, bottom + 32, "step", "axis", "middle"),
    )


def _description(
    name: str,
    losses: Sequence[tuple[float, float]],
    dev: Sequence[tuple[float, float]],
    scores: Sequence[tuple[float, float]],
) -> str:
    sentences = [f"Train loss of {name} from {losses[0][1]:.3g} to {losses[-1][1]:.3g}"]
    if dev:
        sentences.append(f"dev loss from {dev[0][1]:.3g} to {dev[-1][1]:.3g}")
    if scores:
        sentences.append(
            f"dev score from {formatting.score(scores[0][1])} to {formatting.score(scores[-1][1])}"
        )
    return "; ".join(sentences) + "."


def _table(name: str, steps: Sequence[TrainStep]) -> components.Table:
    """Steps with a dev loss or dev score, the first and the last, and an even sample of the others."""
    every = -(-len(steps) // 40)
    kept = [
        step
        for at, step in enumerate(steps)
        if step.dev_loss is not None or at in (0, len(steps) - 1) or at % every == 0
    ]
    columns = [
        (title, "") for title in ("step", "epoch", "loss", "learning rate", "gradient norm", "dev loss")
    ]
    body = [
        [
            components.TableCell(text=str(step.step)),
            components.number(f"{step.epoch:.2f}"),
            *(
                components.number(_number(getattr(step, k)))
                for k in ("loss", "learning_rate", "grad_norm", "dev_loss")
            ),
            components.number(_dev_score(step)),
        ]
        for step in kept
    ]
    return components.Table(
        caption=f"Training of {name}", columns=[*columns, ("dev score", "points")], rows=body
    )


def _dev_score(step: TrainStep) -> str:
    part = step.dev_part
    return formatting.score(step.dev_score) + (f" of {part}" if part else "")


def _number(value: float | None) -> str:
    return formatting.NONE if value is None else f"{value:.4g}"

"""Pictures of a search: history, scores on the way, one knob at a time, all knobs, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.core.json_types import JsonValue
from harness.core.secrets import beginning
from harness.report.html import components, svg
from harness.report.studies import UNITS, Study, Trial
from harness.report.study_axes import KnobAxis, axis, written

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760.0, 52.0, 740.0, 36.0, 290.0
LONGEST = 22
"""Most letters of a knob's name above an axis."""
MOST_AXES = 8
"""Most knobs in the picture of all of them, most important first."""


def unit(study: Study, objective: int = 0) -> str:
    name = study.objectives[objective]
    return UNITS.get(name, (1.0, name))[1]


def figure_of(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def history(study: Study) -> components.Picture:
    """Every trial's value in the order of the trials, and the best so far."""
    x = svg.Scale(-0.5, max(t.number for t in study.trials) + 0.5, LEFT, RIGHT)
    y = _scale(study)
    steps: list[tuple[float, float]] = []
    for trial, best in _best_so_far(study):
        if steps:
            steps.append((x(trial.number), steps[-1][1]))
        steps.append((x(trial.number), y(best)))
    if steps:
        steps.append((RIGHT, steps[-1][1]))
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        f"Value of each of {len(study.trials)} trials in their order; the best so far ends at "
        f"{figure_of(study.best.values[0])}, trial {study.best.number}.",
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], unit(study)),
        _whole_axis(x, "trial"),
        svg.path(steps, "frontier"),
        *(_mark(study, t, x(t.number), y) for t in study.trials),
    )
    columns = [("trial", ""), ("state", ""), (unit(study), ""), ("training steps", ""), ("why", "")]
    rows = [
        [
            components.TableCell(text=str(t.number)),
            components.number(t.state),
            components.number(figure_of(t.values[0] if t.values else None)),
            components.number("–" if t.row.train_steps is None else str(t.row.train_steps)),
            components.number(str(t.row.error or t.row.stopped or "")),
        ]
        for t in study.trials
    ]
    table = components.Table(caption="Trials", columns=columns, rows=rows, words=("why",))
    return components.Picture(name="History", drawing=drawing, table=table)


def on_the_way(study: Study) -> components.Picture | None:
    """Dev score at every rung; a pruned trial ends where it was stopped."""
    trials = [trial for trial in study.trials if trial.steps]
    if not any(len(trial.steps) > 1 for trial in trials):
        return None
    rungs = [rung for trial in trials for rung, _ in trial.steps]
    x = svg.Scale(min(rungs) - 0.2, max(rungs) + 0.2, LEFT, RIGHT)
    y = svg.linear([value for trial in trials for _, value in trial.steps], BOTTOM, TOP)
    order = sorted(trials, key=lambda t: (t.number == study.best.number, t.state == "pruned"))
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        f"Dev score of {len(trials)} trials at each rung, of which "
        f"{sum(t.state == 'pruned' for t in trials)} were stopped before the last.",
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], UNITS["score"][1]),
        _whole_axis(x, "rung: evaluation during training"),
        *(_curve(study, t, x, y) for t in order),
    )
    columns = [("trial", ""), ("state", ""), *((str(rung), "rung") for rung in sorted(set(rungs)))]
    rows = []
    for trial in trials:
        scores = dict(trial.steps)
        cells = [components.number(figure_of(scores.get(rung))) for rung in sorted(set(rungs))]
        rows.append([components.TableCell(text=str(trial.number)), components.number(trial.state), *cells])
    table = components.Table(caption="Dev score at each rung, points", columns=columns, rows=rows)
    return components.Picture(name="On the way", drawing=drawing, table=table)


def slices(study: Study) -> list[components.Picture]:
    """The value against one knob, for each knob."""
    return [_slice(study, knob) for knob in study.knobs]


def _slice(study: Study, knob: str) -> components.Picture:
    x = axis(study, knob, LEFT, RIGHT)
    trials = [t for t in study.trials if knob in t.params and _last(study, t) is not None]
    y = _scale(study)
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        f"Value of {len(trials)} trials against {study.short(knob)}; the best has "
        f"{written(study.best.params.get(knob))}.",
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], unit(study)),
        *(_tick(at, label) for at, label in x.ticks()),
        svg.text((LEFT + RIGHT) / 2, BOTTOM + 36, study.short(knob), "axis", "middle"),
        *(_mark(study, t, _beside(x, t, t.params[knob]), y) for t in trials),
    )
    rows = [
        [
            components.TableCell(text=str(t.number)),
            components.number(written(t.params[knob])),
            components.number(figure_of(t.values[0] if t.values else None)),
            components.number(t.state),
        ]
        for t in trials
    ]
    columns = [("trial", ""), (study.short(knob), ""), (unit(study), ""), ("state", "")]
    table = components.Table(caption=f"Trials by {study.short(knob)}", columns=columns, rows=rows)
    return components.Picture(name=study.short(knob), drawing=drawing, table=table)


def parallel(study: Study) -> components.Picture | None:
    """Every finished trial as a line over its knobs; the best quarter stands out."""
    knobs = study.knobs[:MOST_AXES]
    if len(knobs) < 2:
        return None
    y = [axis(study, knob, BOTTOM, TOP + 16) for knob in knobs]
    last = svg.linear([t.values[0] for t in study.done], BOTTOM, TOP + 16)
    x = [70.0 + index * (RIGHT - 100) / len(knobs) for index in range(len(knobs) + 1)]
    ranked = sorted(study.done, key=lambda t: study.sign(0) * t.values[0])
    most = ranked[-max(1, len(ranked) // 4) :]
    lines = []
    for trial in ranked:
        known = [
            (x[i], _beside(y[i], trial, trial.params[k])) for i, k in enumerate(knobs) if k in trial.params
        ]
        points = [*known, (x[-1], last(trial.values[0]))]
        best = " best" if trial.number == study.best.number else ""
        lines.append(svg.path(points, f"thread{' top' if trial in most else ''}{best}"))
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 30,
        f"{len(ranked)} trials as lines over {len(knobs)} knobs; the best quarter stands out.",
        *lines,
        *(_pole(x[i], study.short(k), y[i].ticks(), i) for i, k in enumerate(knobs)),
        _pole(x[-1], unit(study), [(last(tick), f"{tick:g}") for tick in last.ticks()], len(knobs), True),
    )
    columns = [("trial", ""), *((study.short(k), "") for k in knobs), (unit(study), "")]
    rows = [
        [
            components.TableCell(text=str(t.number)),
            *(components.number(written(t.params[k]) if k in t.params else "–") for k in knobs),
            components.number(figure_of(t.values[0])),
        ]
        for t in reversed(ranked)
    ]
    table = components.Table(caption="Finished trials, the best first", columns=columns, rows=rows)
    return components.Picture(name="All knobs", drawing=drawing, table=table)


def pareto(study: Study) -> list[components.Picture]:
    """The first objective against each other one, with the trials that no other dominates."""
    return [_pareto(study, other) for other in range(1, len(study.objectives))]


def _pareto(study: Study, other: int) -> components.Picture:
    x = svg.fitting([t.values[other] for t in study.done], LEFT, RIGHT - 20)
    y = svg.linear([t.values[0] for t in study.done], BOTTOM, TOP)
    front = sorted(study.front, key=lambda t: t.values[other])
    numbers = {t.number for t in front}
    line = [(x(t.values[other]), y(t.values[0])) for t in front] if len(study.objectives) == 2 else []
    marks = [
        svg.mark(
            x(t.values[other]), y(t.values[0]), int(t.number not in numbers),
            f"trial {t.number}: {figure_of(t.values[0])} at {figure_of(t.values[other])}",
            5.5 if t.number in numbers else 4.0,
        )
        for t in sorted(study.done, key=lambda t: t.number in numbers)
    ]  # fmt: skip
    drawing = svg.svg(
        WIDTH,
        BOTTOM + 46,
        f"{unit(study)} against {unit(study, other)}: {len(front)} of {len(study.done)} trials are on the front.",
        svg.y_axis(y, LEFT, RIGHT, [f"{tick:g}" for tick in y.ticks()], unit(study)),
        svg.x_axis(x, TOP, BOTTOM, [f"{tick:g}" for tick in x.ticks()], unit(study, other)),
        svg.path(line, "frontier") if len(line) > 1 else Markup(""),
        *marks,
        *(svg.text(x(t.values[other]) + 9, y(t.values[0]) - 7, str(t.number), "tick halo") for t in front),
    )
    columns = [("trial", ""), (unit(study), ""), (unit(study, other), ""), ("on the front", "")]
    rows = [
        [
            components.TableCell(text=str(t.number)),
            components.number(figure_of(t.values[0])),
            components.number(figure_of(t.values[other])),
            components.number("yes" if t.number in numbers else "no"),
        ]
        for t in study.done
    ]
    table = components.Table(caption=f"{unit(study)} and {unit(study, other)}", columns=columns, rows=rows)
    return components.Picture(name=unit(study, other), drawing=drawing, table=table)


def _scale(study: Study) -> svg.Scale:
    """The vertical axis that holds every trial's value."""
    return svg.linear([v for t in study.trials if (v := _last(study, t)) is not None], BOTTOM, TOP)


def _last(study: Study, trial: Trial) -> float | None:
    """A trial's value; for a pruned one, the score at its last rung if the search maximizes the score."""
    if trial.values:
        return trial.values[0]
    return trial.steps[-1][1] if trial.steps and study.objectives[0] == "score" else None


def _best_so_far(study: Study) -> list[tuple[Trial, float]]:
    best: list[tuple[Trial, float]] = []
    for trial in study.done:
        value = trial.values[0]
        if trial.feasible and (not best or study.sign(0) * (value - best[-1][1]) > 0):
            best.append((trial, value))
    return best


def _mark(study: Study, trial: Trial, x: float, y: svg.Scale) -> Markup:
    """A disc for a finished trial, a larger green diamond for the best, a small square if it was pruned, and a
    cross at the bottom if it failed."""
    value = _last(study, trial)
    tip = f"trial {trial.number}, {trial.state}: {figure_of(value)}"
    if value is None:
        return svg.group(
            svg.element("title", tip),
            svg.line(x - 4, BOTTOM - 4, x + 4, BOTTOM + 4, "cross"),
            svg.line(x - 4, BOTTOM + 4, x + 4, BOTTOM - 4, "cross"),
        )
    if trial.number == study.best.number:
        return svg.mark(x, y(value), 2, f"{tip}, the best", 6.5)
    return svg.mark(x, y(value), int(trial.state == "pruned"), tip, 4.0 if trial.state == "pruned" else 5.0)


def _curve(study: Study, trial: Trial, x: svg.Scale, y: svg.Scale) -> Markup:
    best, pruned = trial.number == study.best.number, trial.state == "pruned"
    points = [(x(rung), y(value)) for rung, value in trial.steps]
    end = svg.mark(*points[-1], 1, f"trial {trial.number}, pruned at rung {trial.steps[-1][0]}", 4.0)
    kind = "thread best" if best else "thread lost" if pruned else "thread"
    return svg.group(svg.path(points, kind), *([end] if pruned else []))


def _beside(x: KnobAxis, trial: Trial, value: JsonValue) -> float:
    """The position of a value; choices are spread a little, so that trials do not hide each other."""
    return x(value) + (((trial.number * 7) % 11 - 5) * 2.0 if x.choices else 0.0)


def _tick(at: float, label: str) -> Markup:
    return svg.group(
        svg.line(at, TOP, at, BOTTOM, "grid"), svg.text(at, BOTTOM + 16, label, "tick", "middle")
    )


def _whole_axis(x: svg.Scale, title: str) -> Markup:
    ticks = [tick for tick in x.ticks(8) if tick == int(tick)]
    return svg.group(
        *(svg.text(x(tick), BOTTOM + 16, f"{tick:g}", "tick", "middle") for tick in ticks),
        svg.text((LEFT + RIGHT) / 2, BOTTOM + 36, title, "axis", "middle"),
    )


def _pole(x: float, name: str, ticks: Sequence[tuple[float, str]], index: int, last: bool = False) -> Markup:
    """One axis of the picture of all knobs; names alternate between two lines, so that they do not touch."""
    name = beginning(name, LONGEST)
    anchor = "end" if last else "middle" if index else "start"
    return svg.group(
        svg.line(x, TOP + 16, x, BOTTOM, "zero"),
        svg.text(RIGHT if last else x if index else 0.0, TOP - 22 + 18 * (index % 2), name, "axis", anchor),
        *(svg.text(x - 6, y + 4, label, "tick halo", "end") for y, label in ticks),
    )

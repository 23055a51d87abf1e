"""`harness run --frugal`: train only if training can still change the answer, and report what was left out.

Stages, the cheapest first: everything that trains nothing, then one number of labels after the other. Each
training is preceded by a check whether `harness diagnose` ruled it out, whether a prompt has nearly every
answer right, and whether the label curve so far is shown to be flat, or too low to matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from harness.core.execution import Executor
from harness.core.secrets import hidden
from harness.evidence import worth_training
from harness.evidence.label_curve import label_curve
from harness.evidence.verdict_types import RunScores, Verdict
from harness.results import run_scores
from harness.results.folder import ResultsFolder
from harness.results.records.run import RunRecord
from harness.results.triage import read_triage
from harness.runner.asked import complete
from harness.runner.cells import Cell, describe_task
from harness.runner.one_worker import keeping
from harness.runner.progress import Progress
from harness.runner.race_progress import StageProgress
from harness.runner.runner import Outcome
from harness.runner.runner import run as run_cells
from harness.runner.suitable import LeftOut

REMEDY = "drop --frugal to train it"


@dataclass(frozen=True, kw_only=True)
class Frugal:
    """The cells that ran, and those not worth training."""

    outcome: Outcome
    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...]


@dataclass
class _Stages:
    """What all stages share."""

    results: Path
    progress: Progress
    fresh_start: bool
    records: dict[str, RunRecord] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fresh: int = 0
    left_out: dict[tuple[str, str, str], LeftOut] = field(default_factory=dict)


def run(
    cells: Sequence[Cell],
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    on_finished: Callable[[Path], None] = lambda _: None,
    executor: Executor | None = None,
    fresh: bool = False,
) -> Frugal:
    """Run cells in stages and skip trainings that cannot change the answer; arguments as `runner.run`."""
    kept = keeping(executor)
    stages = _Stages(results, StageProgress(progress), fresh_start=fresh)
    progress.plan(cells)
    for stage in _ordered(cells):
        chosen = [cell for cell in stage if not _pointless(cell, stages)]
        if not chosen:
            continue
        outcome = run_cells(
            chosen,
            results,
            progress=stages.progress,
            cache=cache,
            on_finished=on_finished,
            executor=kept,
            fresh=fresh,
        )
        stages.cells += chosen
        stages.records |= {record.id: record for record in outcome.records}
        stages.notes += outcome.notes
        stages.fresh += outcome.fresh
    return Frugal(
        outcome=Outcome(
            records=tuple(stages.records[cell.id] for cell in stages.cells),
            folders=tuple(ResultsFolder(results).run(cell.id).path for cell in stages.cells),
            fresh=stages.fresh,
            notes=tuple(dict.fromkeys(stages.notes)),
        ),
        cells=tuple(stages.cells),
        left_out=tuple(stages.left_out.values()),
    )


def _ordered(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The stages: nothing trained first, then by number of labels, and a recipe without a curve last."""

    def stage(cell: Cell) -> tuple[bool, float]:
        trains = bool(cell.recipe.weights)
        return trains, (cell.labels or float("inf")) if trains else 0.0

    ordered = sorted(cells, key=stage)
    return [list(members) for _, members in groupby(ordered, key=stage)]


def _pointless(cell: Cell, stages: _Stages) -> bool:
    """Whether to skip a training; if so, the reason is noted. One that is finished costs nothing."""
    if not cell.recipe.weights or (not stages.fresh_start and _is_complete(cell, stages.results)):
        return False
    reason = _reason(cell, stages)
    if reason:
        name = cell.recipe.name if cell.labels is None else f"{cell.recipe.name} (n={cell.labels})"
        where = (cell.task.name, hidden(cell.model), name)
        stages.left_out[where] = LeftOut(
            task=where[0], model=where[1], recipe=name, reason=reason, remedy=REMEDY
        )
        stages.progress.left_out(cell, reason)
    return bool(reason)


def _is_complete(cell: Cell, results: Path) -> bool:
    return complete(cell, ResultsFolder(results).run(cell.id)) is not None


def foreseen(cells: Sequence[Cell], results: Path) -> tuple[Cell, ...]:
    """The cells without those that an earlier diagnosis rules out, whatever the other runs will bring."""
    return tuple(cell for cell in cells if not cell.recipe.weights or not _ruled_out(cell, results))


def _ruled_out(cell: Cell, results: Path) -> str:
    about = describe_task(cell.task)
    triage = read_triage(results, cell.task.name, cell.model, about=about, fingerprint=cell.fingerprint)
    return worth_training.ruled_out(triage, cell.recipe.name)


def _reason(cell: Cell, stages: _Stages) -> str:
    if reason := _ruled_out(cell, stages.results):
        return reason
    verdict = _verdict([one for one in stages.cells if _alike(one, cell) and not one.recipe.weights], stages)
    untrained = () if verdict is None else verdict.summaries
    margin = describe_task(cell.task).margin or 0.0
    if reason := worth_training.nothing_to_gain(untrained, margin):
        return reason
    points = _points(cell, stages)
    if cell.labels is None or len(points) < 2:
        return ""
    curve = label_curve(cell.recipe.name, points, {}, margin)
    return worth_training.curve_is_flat(curve, cell.labels, untrained, margin)


def _alike(one: Cell, other: Cell) -> bool:
    return (one.task.name, one.model) == (other.task.name, other.model)


def _verdict(cells: Sequence[Cell], stages: _Stages) -> Verdict | None:
    folders = [ResultsFolder(stages.results).run(cell.id).path for cell in cells]
    asked = {c.id: frozenset(e.id for e in c.examples) for c in cells if c.asks is not None}
    verdicts = run_scores.verdicts(folders, asked=asked)
    return verdicts[0] if len(verdicts) == 1 else None


def _points(cell: Cell, stages: _Stages) -> dict[int, list[RunScores]]:
    """Scores of the same recipe with fewer labels, by number of labels."""
    points: dict[int, list[RunScores]] = {}
    for one in stages.cells:
        record = stages.records.get(one.id)
        known = record is not None and record.has_answers and one.labels is not None
        if not known or record is None or not _alike(one, cell) or one.recipe.name != cell.recipe.name:
            continue
        asked = None if one.asks is None else {example.id for example in one.examples}
        folder = ResultsFolder(stages.results).run(one.id).path
        points.setdefault(int(one.labels or 0), []).append(run_scores.scores(record, folder, asked=asked))
    return points

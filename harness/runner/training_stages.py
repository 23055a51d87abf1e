"""The training step of a cell: every stage in order, a finished one loaded instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from harness.core.protocols import LanguageModel, StepRecord, TrainingResult, Weights
from harness.core.values import TrainingExample
from harness.results.folder import RunFolder, read_json, read_lines, write_json
from harness.runner import torchrun, trained
from harness.runner.cell_context import CellContext
from harness.runner.stage_context import training_context


def train(
    attempt: CellContext, model: LanguageModel, lessons: Sequence[TrainingExample]
) -> tuple[LanguageModel, dict[str, Any]]:
    """Train every stage in order; a stage that an earlier attempt finished is loaded instead, and
    one that was interrupted goes on from its checkpoint, where its kind keeps one. Weights that another
    run of the same training left are taken."""
    from harness.training import checkpoint
    from harness.training.curve_diagnostics import diagnose

    cell, folder = attempt.cell, attempt.folder
    totals: list[dict[str, Any]] = []
    elsewhere = trained.take(cell, folder)
    for index, stage in enumerate(cell.recipe.weights):
        done = RunFolder(folder.stage(index))
        if (record := _stage_record(done)) is not None:
            model = stage.load(model, done.path)
        else:
            with torchrun.together(attempt, index):
                result = stage.train(model, lessons, training_context(attempt, index))
            model = result.model
            stage.save(model, done.path)
            record = _summary(result, done) | {"diagnosis": diagnose(_steps(folder, index))}
            write_json(done.path / trained.DONE, record)
            checkpoint.forget(done.path)
        totals.append(record)
    trained.remember(cell, folder)
    learnt = _sum(totals) | _learnt(cell.recipe.weights, totals, lessons)
    return model, learnt | ({"trained_by": elsewhere} if elsewhere else {})


def _stage_record(folder: RunFolder) -> dict[str, Any] | None:
    try:
        return read_json(folder.path / trained.DONE)
    except (FileNotFoundError, ValueError):
        return None


def _steps(folder: RunFolder, index: int) -> list[StepRecord]:
    return [StepRecord(**line) for line in read_lines(folder.steps) if line["stage"] == str(index)]


def _summary(result: TrainingResult, folder: RunFolder) -> dict[str, Any]:
    record = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    del record["model"]
    files = [path for path in folder.path.rglob("*") if path.is_file() and path.parent.name != "checkpoint"]
    size = sum(path.stat().st_size for path in files)
    return record | {"bytes": size}


def _learnt(
    stages: Sequence[Weights], records: Sequence[dict[str, Any]], lessons: Sequence[TrainingExample]
) -> dict[str, Any]:
    """How many lessons at least one stage learnt from, of how many, and why the others were dropped."""
    reading = [record for stage, record in zip(stages, records, strict=True) if stage.reads_examples]
    dropped = [set(record.get("dropped") or ()) for record in reading]
    lost = set.intersection(*dropped) if dropped else {lesson.id for lesson in lessons}
    why = [record.get("why_dropped") for record in reading if record.get("dropped")]
    return {
        "lessons": sum(lesson.id not in lost for lesson in lessons),
        "offered": len(lessons) if reading else 0,
        "why_dropped": why[0] if lost and why else "",
    }


def _sum(stages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One training record for all stages: costs add up, the last stage's scores stand."""
    total = dict(stages[-1])
    for name in ("seconds", "steps", "tokens", "bytes"):
        total[name] = sum(stage[name] for stage in stages)
    for name in ("dropped", "notes", "diagnosis"):
        total[name] = [item for stage in stages for item in stage.get(name, ())]
    return total

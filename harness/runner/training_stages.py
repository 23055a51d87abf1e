"""The training step of a cell: every stage in order, a finished one loaded instead."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.protocols import LanguageModel, StepRecord, TrainingResult, Weights
from harness.core.values import TrainingExample
from harness.models.digests import remembered_digest
from harness.results.folder import RunFolder, read_json, write_json
from harness.results.records.run import TrainRecord
from harness.runner import torchrun, trained
from harness.runner.cell_context import CellContext
from harness.runner.stage_context import training_context


def train(
    attempt: CellContext, model: LanguageModel, lessons: Sequence[TrainingExample]
) -> tuple[LanguageModel, TrainRecord]:
    """Train every stage in order; a stage that an earlier attempt finished is loaded instead, and
    one that was interrupted continues from its checkpoint, if its kind keeps one. Weights of another run with
    the same training are reused."""
    from harness.training import checkpoint
    from harness.training.curve_diagnostics import diagnose

    cell, folder = attempt.cell, attempt.folder
    totals: list[TrainRecord] = []
    elsewhere = trained.take(cell, folder)
    for index, stage in enumerate(cell.recipe.weights):
        done = RunFolder(folder.stage(index))
        if (record := _stage_record(done)) is not None:
            _require_unchanged(done, record)
            model = stage.load(model, done.path)
        else:
            with torchrun.together(attempt, index):
                result = stage.train(model, lessons, training_context(attempt, index))
            model = result.model
            stage.save(model, done.path)
            record = _summary(result, done).changed(diagnosis=diagnose(_steps(folder, index)))
            write_json(done.path / trained.DONE, record.to_json())
            checkpoint.forget(done.path)
        totals.append(record)
    trained.remember(cell, folder)
    learnt = _sum(totals).changed(**_learnt(cell.recipe.weights, totals, lessons))
    return model, learnt.changed(trained_by=elsewhere) if elsewhere else learnt


def _stage_record(folder: RunFolder) -> TrainRecord | None:
    try:
        return TrainRecord.of(read_json(folder.path / trained.DONE))
    except (FileNotFoundError, ValueError):
        return None


def _require_unchanged(folder: RunFolder, record: TrainRecord) -> None:
    """Check that the weights are those that were trained: the run's earlier answers came from them.

    Raises:
        ConfigError: a file that the stage saved is missing or has other contents.
    """
    for name, digest in (record.files or {}).items():
        file = folder.path / name
        if not file.is_file() or remembered_digest(file) != digest:
            raise ConfigError(
                "trained weights were changed or removed since the training",
                file=file,
                remedy="restore the file, or retrain with --fresh",
            )


def _steps(folder: RunFolder, index: int) -> list[StepRecord]:
    return [step for step in folder.train_steps() if step.stage == str(index)]


def _summary(result: TrainingResult, folder: RunFolder) -> TrainRecord:
    numbers = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    del numbers["model"]
    files = [path for path in folder.path.rglob("*") if path.is_file() and path.parent.name != "checkpoint"]
    marks = {str(path.relative_to(folder.path)): remembered_digest(path) for path in files}
    return TrainRecord.of(numbers | {"bytes": sum(path.stat().st_size for path in files), "files": marks})


def _learnt(
    stages: Sequence[Weights], records: Sequence[TrainRecord], lessons: Sequence[TrainingExample]
) -> dict[str, JsonValue]:
    """How many lessons at least one stage learned from, out of how many, and why the others were dropped."""
    reading = [record for stage, record in zip(stages, records, strict=True) if stage.reads_examples]
    dropped = [set(record.dropped) for record in reading]
    lost = set.intersection(*dropped) if dropped else {lesson.id for lesson in lessons}
    why = [record.why_dropped for record in reading if record.dropped]
    return {
        "lessons": sum(lesson.id not in lost for lesson in lessons),
        "offered": len(lessons) if reading else 0,
        "why_dropped": why[0] if lost and why else "",
    }


def _sum(stages: Sequence[TrainRecord]) -> TrainRecord:
    """One training record for all stages: costs add up, scores are the last stage's."""
    costs = {
        name: sum(getattr(stage, name) or 0 for stage in stages)
        for name in ("seconds", "steps", "tokens", "bytes")
    }
    lists = {
        name: [item for stage in stages for item in getattr(stage, name)]
        for name in ("dropped", "notes", "diagnosis")
    }
    last = {name: value for name, value in stages[-1].to_json().items() if name != "files"}
    return TrainRecord.of({**last, **costs, **lists})

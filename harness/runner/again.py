"""What happens to a finished run when its command is given again.

Everything that determines an answer is part of the run's key, and another key is another run. Changes that
affect only scores (scorers, format, primary, margin, task version) do not repeat the answering: stored answers
are scored again. Library versions can change an answer, too; a run made with other versions is kept and named,
and `--fresh` repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.protocols import Task
from harness.results import likeness, sample_metrics
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.locks import Lock
from harness.results.records.run import RunRecord, TaskRecord
from harness.results.records.sample import SampleRecord
from harness.runner import environment, scoring
from harness.runner.asked import complete
from harness.runner.cells import Cell, describe_task
from harness.tasks.writable import NOT_ENFORCED

_ASKED_ELSEWHERE = ("openai", "fake")
"""Engines whose answers do not depend on this machine's libraries."""
FOR_READING = ("margin", "version", "primary", "data_hash")
"""Fields of a task's record that decide how scores are read, but do not change any."""


def scored_as_now(cell: Cell, folder: RunFolder) -> RunRecord | None:
    """The record of a run that holds all answers the cell needs, scored as the task file says now; None if
    answers are missing. No model is called here."""
    if complete(cell, folder) is None:
        return None
    if _is_current(cell.task, folder):
        return complete(cell, folder)
    with Lock(folder.path):
        return refreshed(cell, folder)


def refreshed(cell: Cell, folder: RunFolder) -> RunRecord | None:
    """As `scored_as_now`, for a caller that holds the folder's lock; the answers of an incomplete run are
    scored again as well.

    A kill in between is fixed by the next call: the record changes last.
    """
    head = folder.head()
    if head is not None and not _is_current(cell.task, folder):
        now = describe_task(cell.task)
        rows = folder.rows()
        if _unlike(cell.task, head.task):
            rows = rescored(cell.task, rows)
            folder.rescore(rows)
        head = head.changed(task=now.to_json())
        if isinstance(head, RunRecord) and head.metrics:
            metrics, counts = sample_metrics.metrics(rows), sample_metrics.counts(rows, now.primary)
            head = head.changed(metrics=metrics, counts=counts)
        folder.update(head)
    return complete(cell, folder)


def _is_current(task: Task, folder: RunFolder) -> bool:
    """Whether a run's answers are scored as the task file says now, and its record can be read that way."""
    head = folder.head()
    if head is None:
        return True
    now, before = describe_task(task), head.task
    return not _unlike(task, before) and all(
        getattr(before, name) == getattr(now, name) for name in FOR_READING
    )


def _unlike(task: Task, before: TaskRecord) -> list[likeness.Unlike]:
    others = [scorer.name() for scorer in task.scorers]
    return [item for item in likeness.scored(before, describe_task(task), others) if item.known]


def rescored(task: Task, rows: Sequence[SampleRecord]) -> list[SampleRecord]:
    """Sample rows with their stored answers read and scored by the task as it is now."""
    return [_rescored(task, row) for row in rows]


def _rescored(task: Task, row: SampleRecord) -> SampleRecord:
    """Tokens are counted only for thoughts that came apart from the answer; others were estimated."""
    counted = row.thought_tokens if row.reasoning else None
    return scoring.scored(task, replace(row, thought_tokens=counted), row.example())


def stale(record: RunRecord) -> list[str]:
    """A sentence if a run was made with other library versions than today's; for a server, none count."""
    if record.runtime.engine in _ASKED_ELSEWHERE:
        return []
    unlike = likeness.answered(record.versions, environment.versions())
    if not unlike:
        return []
    if not unlike[0].known:
        return [f"{record.id} does not say which library versions made it; run it again with --fresh"]
    made = ", ".join(f"{item.fact} {item.before}, now {item.after}" for item in unlike)
    return [f"{record.id} was made with {made}; run it again with --fresh"]


def made_elsewhere(record: RunRecord) -> list[str]:
    """A sentence if a run was made on another class of device, or in another number format, than a rerun would use.

    The number format is known in advance only for an untrained model that is loaded as published.
    """
    was, spec = record.runtime, record.model.spec
    if was.engine in (None, *_ASKED_ELSEWHERE) or was.device is None or record.imported is not None:
        return []
    device = environment.device_class()
    facts = [("device", was.device.partition(":")[0], device)]
    if not record.recipe.weights and record.recipe.base.get("kind") == "plain" and was.dtype is not None:
        dtype = environment.number_format(spec, str(record.recipe.base.get("dtype", "auto")), device)
        facts.append(("number format", was.dtype, dtype))
    unlike = ", ".join(f"{name} {before}, now {now}" for name, before, now in facts if before != now)
    return [f"{record.id} was made with {unlike}; run it again with --fresh"] if unlike else []


def remarks(record: RunRecord) -> list[str]:
    """What to know of a run's answers: a server gave them under more than one model name, targets are cut off,
    a constraint was not enforced whole, other library versions made some of them."""
    models = (record.answer.models if record.answer else None) or {}
    sentences = [f"{record.id}: {record.cut_targets}"] if record.cut_targets else []
    sentences += [mixed] if (mixed := likeness.made_in_parts(record)) else []
    notes = record.answer.notes if record.answer else ()
    sentences += [f"{record.id}: {note}" for note in notes if note.startswith(NOT_ENFORCED)]
    if len(models) > 1:
        parts = ", ".join(f"{name} {count}" for name, count in sorted(models.items()))
        sentences.append(f"{record.id} holds answers of more than one model: {parts}")
    return sentences


def put_aside(folder: RunFolder, results: Path) -> None:
    """Move a run's folder, finished or not, to `results/replaced/`, so that it runs anew."""
    if not folder.path.exists():
        return
    kept = ResultsFolder(results).replaced
    kept.mkdir(parents=True, exist_ok=True)
    number = next(n for n in range(1, 1_000_000) if not (kept / f"{folder.path.name}.{n}").exists())
    with Lock(folder.path):
        folder.path.rename(kept / f"{folder.path.name}.{number}")

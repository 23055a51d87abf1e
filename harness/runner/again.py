"""What happens to a finished run when its command is given again.

What decides an answer is in the run's key, and another key is another run. What decides a score but no
answer (scorers, format, primary, margin, task version) is not asked for again: stored answers are scored
again where it changed. Library versions can change an answer, too; a run that was made with others is
taken as it is and named, and `--fresh` runs it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core import likeness
from harness.core.protocols import Task
from harness.core.values import Completion, Example, Message, Passage, Prompt
from harness.results import sample_metrics
from harness.results.folder import RunFolder, read_json, write_json
from harness.results.locks import Lock
from harness.runner import environment, scoring
from harness.runner.asked import complete
from harness.runner.cells import Cell, describe_task

_SCORED = ("strict", "extracted", "scores", "failure", "thoughts", "thought_tokens")
"""What of a sample row is made from its answer by the task's format and scorers."""
_ASKED_ELSEWHERE = ("openai", "fake")
"""Engines whose answers no library of this machine makes."""
FOR_READING = ("margin", "version", "primary", "data_hash")
"""What of a task's record decides how scores are read, but none of them."""


def scored_as_now(cell: Cell, folder: RunFolder) -> dict[str, Any] | None:
    """The record of a run that holds all that the cell asks for, its answers scored as the task file says
    now; None where there is something to ask. Nothing is asked here."""
    if complete(cell, folder) is None:
        return None
    if _is_current(cell.task, folder):
        return complete(cell, folder)
    with Lock(folder.path):
        return refreshed(cell, folder)


def refreshed(cell: Cell, folder: RunFolder) -> dict[str, Any] | None:
    """As `scored_as_now`, for a caller that holds the folder's lock; of a run that is not complete, what it
    has answered is scored anew as well.

    A kill in between is mended by the next call: the record changes last.
    """
    head = _head(folder)
    if head is not None and not _is_current(cell.task, folder):
        now = describe_task(cell.task)
        rows = folder.rows()
        if _unlike(cell.task, head["task"]):
            rows = rescored(cell.task, rows)
            _write(folder.samples, rows)
        head = head | {"task": now}
        if head.get("metrics"):
            head |= {
                "metrics": sample_metrics.metrics(rows),
                "counts": sample_metrics.counts(rows, now["primary"]),
            }
        write_json(folder.path / ("cell.json" if folder.record() is None else "run.json"), head)
    return complete(cell, folder)


def _head(folder: RunFolder) -> dict[str, Any] | None:
    """A run's record; of one that has none yet, what it began with; None where nothing was begun."""
    try:
        return folder.record() or read_json(folder.path / "cell.json")
    except (FileNotFoundError, ValueError):
        return None


def _is_current(task: Task, folder: RunFolder) -> bool:
    """Whether a run's answers are scored, and its record to be read, as the task file says now."""
    head = _head(folder)
    if head is None:
        return True
    now, before = describe_task(task), head["task"]
    return not _unlike(task, before) and all(before.get(name) == now[name] for name in FOR_READING)


def _unlike(task: Task, before: Mapping[str, Any]) -> list[likeness.Unlike]:
    others = [scorer.name() for scorer in task.scorers]
    return [item for item in likeness.scored(before, describe_task(task), others) if item.known]


def rescored(task: Task, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sample rows with their stored answers read and scored by the task as it is now."""
    return [_rescored(task, row) for row in rows]


def _rescored(task: Task, row: Mapping[str, Any]) -> dict[str, Any]:
    example = Example(
        id=row["sample_id"],
        input=row["input"],
        target=row["target"],
        context_ids=tuple(row.get("context_ids") or ()),
        group=row["group"],
        meta=row["meta"] or {},
        turns=tuple(Message(**turn) for turn in row.get("turns") or ()),
    )
    passages = tuple(Passage(**passage) for passage in row.get("passages") or ())
    completion = Completion(
        text=row["output"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        finish_reason=row["finish_reason"],
        seconds=row["seconds"],
        prompt=row["prompt"],
        thoughts=row.get("reasoning") or "",
        thought_tokens=row.get("thought_tokens") if row.get("reasoning") else None,
        error=row.get("error"),
    )
    made = scoring.sample(task, example, Prompt(messages=(), passages=passages), completion)
    kept = {name: value for name, value in row.items() if name not in _SCORED}
    return kept | {name: made[name] for name in _SCORED if name in made}


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace a file of sample rows, whole or not at all."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def stale(record: Mapping[str, Any]) -> list[str]:
    """A sentence where a run was made with library versions that are not today's; of a server none counts."""
    if str((record.get("runtime") or {}).get("engine", "")) in _ASKED_ELSEWHERE:
        return []
    unlike = likeness.answered(record.get("versions"), environment.versions())
    if not unlike:
        return []
    if not unlike[0].known:
        return [f"{record['id']} does not say which library versions made it; run it again with --fresh"]
    made = ", ".join(f"{item.fact} {item.before}, now {item.after}" for item in unlike)
    return [f"{record['id']} was made with {made}; run it again with --fresh"]


def remarks(record: Mapping[str, Any]) -> list[str]:
    """What to know of a run's answers: a server gave them under more than one model name, targets are cut off."""
    models: Mapping[str, int] = (record.get("answer") or {}).get("models") or {}
    cut = record.get("cut_targets")
    said = [f"{record['id']}: {cut}"] if cut else []
    if len(models) > 1:
        parts = ", ".join(f"{name} {count}" for name, count in sorted(models.items()))
        said.append(f"{record['id']} holds answers of more than one model: {parts}")
    return said


def put_aside(folder: RunFolder, results: Path) -> None:
    """Move a run's folder, finished or not, to `results/replaced/`, so that it runs anew."""
    if not folder.path.exists():
        return
    kept = results / "replaced"
    kept.mkdir(parents=True, exist_ok=True)
    number = next(n for n in range(1, 1_000_000) if not (kept / f"{folder.path.name}.{n}").exists())
    with Lock(folder.path):
        folder.path.rename(kept / f"{folder.path.name}.{number}")

"""The constant answer of a task beside its runs, so that any later report can hold them against it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from harness.core.keys import digest
from harness.core.protocols import Task
from harness.decide.constant import Constant, constant_answer
from harness.run.folder import read_json, write_json


def keep(results: Path, tasks: Iterable[Task]) -> None:
    """Work out and write the constant answer of each task, where what is there does not stand already."""
    for task in {task.data_hash: task for task in tasks}.values():
        file, scoring = _file(results, task.name, task.data_hash), _scoring(task)
        if _scored_by(file) == scoring:
            continue
        found = constant_answer(task)
        if found is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"scoring": scoring} | found.to_json())


def read(results: Path, task: str, data_hash: str) -> Constant | None:
    """The constant answer that an earlier run left; None where there is none that can be read."""
    try:
        return TypeAdapter(Constant).validate_python(read_json(_file(results, task, data_hash)))
    except (OSError, ValueError):
        return None


def _file(results: Path, task: str, data_hash: str) -> Path:
    return results / "constant" / f"{task}-{data_hash[:8]}.json"


def _scoring(task: Task) -> str:
    """Identity of what chooses and scores it."""
    scorers = [scorer.identity() for scorer in task.scorers]
    return digest([scorers, task.primary, task.format.identity()])


def _scored_by(file: Path) -> str | None:
    try:
        return str(read_json(file).get("scoring"))
    except (OSError, ValueError):
        return None

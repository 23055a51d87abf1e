"""The constant answer of a task beside its runs, so that any later report can hold them against it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.core.files import write_json
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.validation import adapter
from harness.evidence.constant import Constant, constant_answer
from harness.results.folder import ResultsFolder, read_json


def keep(results: Path, tasks: Iterable[Task]) -> None:
    """Work out and write the constant answer of each task, where what is there does not stand already."""
    for task in {task.data_hash: task for task in tasks}.values():
        file, scoring = _file(results, task.name, task.data_hash), _scoring(task)
        if _scored_by(file) == scoring:
            continue
        constant = constant_answer(task)
        if constant is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"scoring": scoring} | constant.to_json())


def read(results: Path, task: str, data_hash: str | None) -> Constant | None:
    """The constant answer that an earlier run left; None if there is none that can be read."""
    try:
        return adapter(Constant).validate_python(read_json(_file(results, task, data_hash or "")))
    except (OSError, ValueError):
        return None


def _file(results: Path, task: str, data_hash: str) -> Path:
    return ResultsFolder(results).constant(task, data_hash)


def _scoring(task: Task) -> str:
    """Identity of what chooses and scores it."""
    scorers = [scorer.identity() for scorer in task.scorers]
    return digest([scorers, task.primary, task.format.identity()])


def _scored_by(file: Path) -> str | None:
    try:
        return str(read_json(file).get("scoring"))
    except (OSError, ValueError):
        return None

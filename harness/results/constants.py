"""The constant answer of a task, kept beside its runs so that any later report can compare them with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.validation import adapter
from harness.evidence.constant import Constant, constant_answer
from harness.results import side_files
from harness.results.folder import ResultsFolder
from harness.results.records.run import TaskRecord

REMEDY = "delete it; the next run of the task makes it again"


def keep(results: Path, tasks: Iterable[Task]) -> None:
    """Compute and write the constant answer of each task, unless a valid one exists already."""
    for task in {task.data_hash: task for task in tasks}.values():
        scorers = [scorer.identity() for scorer in task.scorers]
        mark = _mark(task.data_hash, scorers, task.primary)
        file, scoring = ResultsFolder(results).constant(task.name, mark), _scoring(task)
        if _scored_by(file) == scoring:
            continue
        constant = constant_answer(task)
        if constant is not None:
            side_files.write(file, {"scoring": scoring} | constant.to_json())


def read(results: Path, about: TaskRecord) -> Constant | None:
    """The constant answer of a record's task as the record was scored; None if no run left one that can be read.

    Files from before scorers were part of their name are read if there is no other.
    """
    scorers = [scorer.identity for scorer in about.scorers]
    for mark in (_mark(about.data_hash, scorers, about.primary), about.data_hash or ""):
        file = ResultsFolder(results).constant(about.name, mark)
        if file.exists():
            return side_files.read(file, adapter(Constant).validate_python, REMEDY)
    return None


def _mark(data_hash: str | None, scorers: Sequence[object], primary: str | None) -> str:
    """What the answer belongs to: data and format (both in the data's hash), scorers with settings, and which
    one decides."""
    return digest([data_hash, scorers, primary])


def _scoring(task: Task) -> str:
    """Identity of what chooses and scores it."""
    scorers = [scorer.identity() for scorer in task.scorers]
    return digest([scorers, task.primary, task.format.identity()])


def _scored_by(file: Path) -> str | None:
    return side_files.read(file, lambda content: str(content.get("scoring")), REMEDY)

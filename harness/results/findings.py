"""What the checks of a task's rows found, kept beside its runs so that any later report can say it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.json_types import JsonObject
from harness.results import side_files
from harness.results.folder import ResultsFolder
from harness.results.records.run import TaskRecord

REMEDY = "delete it; the next run of the task makes it again"


def keep(results: Path, task: str, data_hash: str, warnings: Sequence[str]) -> None:
    """Write the warnings about a task's data; those of an earlier check of the same data are replaced."""
    file = ResultsFolder(results).findings(task, data_hash)
    if warnings or file.exists():
        side_files.write(file, {"data_hash": data_hash, "warnings": list(warnings)})


def read(results: Path, about: TaskRecord) -> tuple[str, ...]:
    """The warnings about the data of a record's task; empty if there are none, or no run left any."""
    if about.data_hash is None:
        return ()
    file = ResultsFolder(results).findings(about.name, about.data_hash)

    def warnings(content: JsonObject) -> tuple[str, ...]:
        listed = content["warnings"]
        if not isinstance(listed, list):
            raise TypeError("'warnings' is no list")
        return tuple(map(str, listed)) if content.get("data_hash") == about.data_hash else ()

    return side_files.read(file, warnings, REMEDY) or ()

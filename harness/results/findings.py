"""What the checks of a task's rows found, kept beside its runs so that any later report can say it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.core.files import write_json
from harness.results.folder import ResultsFolder, read_json
from harness.results.records.run import TaskRecord


def keep(results: Path, task: str, data_hash: str, warnings: Sequence[str]) -> None:
    """Write the warnings about a task's data; those of an earlier check of the same data are replaced."""
    file = ResultsFolder(results).findings(task, data_hash)
    if warnings or file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"data_hash": data_hash, "warnings": list(warnings)})


def read(results: Path, about: TaskRecord) -> tuple[str, ...]:
    """The warnings about the data of a record's task; empty if there are none, or no run left any."""
    if about.data_hash is None:
        return ()
    file = ResultsFolder(results).findings(about.name, about.data_hash)
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return ()
    warnings = content.get("warnings")
    if content.get("data_hash") != about.data_hash or not isinstance(warnings, list):
        return ()
    return tuple(str(warning) for warning in warnings)

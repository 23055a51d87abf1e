"""`results/tunings/`: a file for each task and model that was tuned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.core.files import write_json
from harness.results.folder import ResultsFolder, read_json
from harness.results.records.tuning import TuningRecord


def write(results: Path, record: Mapping[str, object]) -> TuningRecord:
    """Keep what a command found; a command that is repeated replaces it."""
    folder = ResultsFolder(results).tunings
    folder.mkdir(parents=True, exist_ok=True)
    written = TuningRecord.of(record)
    write_json(folder / f"{written.name}.json", written.to_json())
    return written


def read(results: Path) -> tuple[TuningRecord, ...]:
    """All that can be read, by name."""
    records = []
    for file in sorted(ResultsFolder(results).tunings.glob("*.json")):
        try:
            records.append(TuningRecord.of(read_json(file)))
        except ValueError:
            continue
    return tuple(records)

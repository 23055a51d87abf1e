"""`results/tunings/`: a file for each task and model that was tuned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.results import side_files
from harness.results.folder import ResultsFolder
from harness.results.records.tuning import TuningRecord

REMEDY = "delete it; the same `harness run` with --tune makes it again"


def write(results: Path, record: Mapping[str, object]) -> TuningRecord:
    """Keep what a command found; a command that is repeated replaces it."""
    written = TuningRecord.of(record)
    side_files.write(ResultsFolder(results).tunings / f"{written.name}.json", written.to_json())
    return written


def read(results: Path) -> tuple[TuningRecord, ...]:
    """All that can be read, by name; a damaged one is named."""
    files = sorted(ResultsFolder(results).tunings.glob("*.json"))
    records = [side_files.read(file, TuningRecord.of, REMEDY) for file in files]
    return tuple(record for record in records if record is not None)

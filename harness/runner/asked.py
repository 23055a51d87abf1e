"""A run's folder may hold more answers than a command asks for: which runs are complete, and which answers count.

The number of test examples is in no key, so runs with `--limit 80` and `--limit 30` share a folder, and
the smaller sample is part of the larger one. So is what was asked before a verdict was sure (`until_sure.py`).
"""

from __future__ import annotations

from harness.results import missing
from harness.results.asked import only, restricted
from harness.results.folder import RunFolder
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell


def complete(cell: Cell, folder: RunFolder) -> RunRecord | None:
    """The record of a run that holds every answer that the cell asks for and that can be had; else None."""
    record = folder.finished() or folder.answered()
    if record is None or not covers(record.limit, cell.asks):
        return None
    if record.status == "done" and record.limit is None:
        return record
    ids = {example.id for example in cell.examples}
    rows = only(folder.rows(), ids)  # an earlier version may have drawn another sample of this size
    whole = len(rows) == len(ids) and missing.status(missing.of_rows(rows)) == "done"
    return record if whole else None


def covers(had: int | None, wanted: int | None) -> bool:
    """Whether a sample of `had` examples contains one of `wanted`; None means all."""
    return had is None or (wanted is not None and wanted <= had)


def seen_by(cell: Cell, record: RunRecord, folder: RunFolder) -> RunRecord:
    """The record restricted to the examples that the cell's command asks for."""
    ids = {example.id for example in cell.examples}
    if not record.ended or sum(_statuses(record)) <= len(ids):
        return record
    return restricted(record, only(folder.rows(), ids), cell.asks)


def _statuses(record: RunRecord) -> list[int]:
    return [record.counts.get(name, 0) for name in ("scored", "invalid", "error")]

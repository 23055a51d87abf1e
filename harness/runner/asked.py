"""A run's folder may hold more answers than a command asks for: what is complete, and what counts.

The number of test examples is in no key, so runs with `--limit 80` and `--limit 30` share a folder, and
the smaller sample is part of the larger one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.results import missing
from harness.results.asked import only, restricted
from harness.results.folder import RunFolder
from harness.runner.cells import Cell

Row = dict[str, Any]


def complete(cell: Cell, folder: RunFolder) -> dict[str, Any] | None:
    """The record of a run that holds every answer that the cell asks for and that can be had; else None."""
    record = folder.finished() or folder.answered()
    if record is None or not covers(record["limit"], cell.limit):
        return None
    if record["status"] == "done":
        return record
    ids = {example.id for example in cell.examples}
    rows = only(folder.rows(), ids)
    whole = len(rows) == len(ids) and missing.status(missing.of_rows(rows)) == "done"
    return record if whole else None


def covers(had: int | None, wanted: int | None) -> bool:
    """Whether a sample of `had` examples contains one of `wanted`; None is all."""
    return had is None or (wanted is not None and wanted <= had)


def seen_by(cell: Cell, record: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The record as the cell's command sees it: of the examples that it asks for, and no others."""
    ids = {example.id for example in cell.examples}
    if not missing.ended(record) or sum(_statuses(record)) <= len(ids):
        return record
    return restricted(record, only(folder.rows(), ids), cell.limit)


def _statuses(record: Mapping[str, Any]) -> list[int]:
    return [record["counts"].get(name, 0) for name in ("scored", "invalid", "error")]

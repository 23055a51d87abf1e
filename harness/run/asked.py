"""A run's folder may hold more answers than a command asks for: what is complete, and what counts.

The number of test examples is in no key, so runs with `--limit 80` and `--limit 30` share a folder, and
the smaller sample is part of the larger one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.programs._fitting import sentences
from harness.run import missing, scoring
from harness.run.cells import Cell
from harness.run.folder import RunFolder

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


def restricted(record: Mapping[str, Any], rows: Sequence[Row], limit: int | None) -> dict[str, Any]:
    """A record whose counts and means are those of some of its rows, and which lacks only what they lack."""
    lack = missing.of_rows(rows)
    return dict(record) | {
        "limit": limit,
        "status": missing.status(lack) if missing.ended(record) else record["status"],
        "error": None if lack is None else lack.sentence(),
        "missing": None if lack is None else lack.to_json(),
        "metrics": scoring.metrics(rows),
        "counts": scoring.counts(rows, record["task"]["primary"]),
        "fitted": list(sentences(rows)),
    }


def only(rows: Sequence[Row], ids: Collection[str] | None) -> list[Row]:
    """The rows of these examples; None: all rows."""
    return [row for row in rows if ids is None or row["sample_id"] in ids]


def _statuses(record: Mapping[str, Any]) -> list[int]:
    return [record["counts"].get(name, 0) for name in ("scored", "invalid", "error")]

"""A run's record over some of its examples: those that a command asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.results import missing, sample_metrics
from harness.results.context_fit import sentences

Row = dict[str, Any]


def restricted(record: Mapping[str, Any], rows: Sequence[Row], limit: int | None) -> dict[str, Any]:
    """A record whose counts and means are those of some of its rows, and which lacks only what they lack."""
    lack = missing.of_rows(rows)
    return dict(record) | {
        "limit": limit,
        "status": missing.status(lack) if missing.ended(record) else record["status"],
        "error": None if lack is None else lack.sentence(),
        "missing": None if lack is None else lack.to_json(),
        "metrics": sample_metrics.metrics(rows),
        "counts": sample_metrics.counts(rows, record["task"]["primary"]),
        "fitted": list(sentences(rows)),
    }


def only(rows: Sequence[Row], ids: Collection[str] | None) -> list[Row]:
    """The rows of these examples; None: all rows."""
    return [row for row in rows if ids is None or row["sample_id"] in ids]

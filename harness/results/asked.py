"""A run's record restricted to some of its examples: those that a command asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from harness.results import missing, sample_metrics
from harness.results.context_fit import sentences
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord


def restricted(record: RunRecord, rows: Sequence[SampleRecord], limit: int | None) -> RunRecord:
    """A record whose counts and means cover some of its rows only, and whose missing answers are theirs."""
    lack = missing.of_rows(rows)
    return record.changed(
        limit=limit,
        status=missing.status(lack) if record.ended else record.status,
        error=None if lack is None else lack.sentence(),
        missing=None if lack is None else lack.to_json(),
        metrics=sample_metrics.metrics(rows),
        counts=sample_metrics.counts(rows, record.task.primary),
        fitted=list(sentences(rows)),
    )


def only(rows: Sequence[SampleRecord], ids: Collection[str] | None) -> list[SampleRecord]:
    """The rows of these examples; None: all rows."""
    return [row for row in rows if ids is None or row.sample_id in ids]

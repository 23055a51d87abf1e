"""The record of the run that a draft of a log becomes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.core.names import slug
from harness.imports.sample import ForeignLog, Metric
from harness.results.imported_rows import RowWriter
from harness.results.imported_tally import Tally
from harness.results.log_draft import LogDraft
from harness.results.records.run import RunRecord

FORMAT = 2
UNNAMED = "log"
"""Stands in a run's id for a name of which nothing is left."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the runs of one task share: the primary metric, the margin, the task's version."""

    primary: str
    margin: float
    version: str | None


def head(log: ForeignLog, repeat: int, key: str, task: str, notes: Sequence[str] = ()) -> JsonObject:
    """What the record of any imported run says: which system, when, and where its answers came from."""
    origin = log.origin
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "id": f"{slug(task) or UNNAMED}-{slug(log.system) or UNNAMED}-{key[:8]}",
        "key": key,
        "format": FORMAT,
        "recipe": _recipe(log),
        "oracle": False,
        "model": {"spec": log.model, "fingerprint": None},
        "seed": repeat,
        "split": "test",
        "git": {},
        "machine": {},
        "versions": {origin.tool: origin.version} if origin.version else {},
        "started_at": _moment(log.created_at) or now,
        "finished_at": now,
        "imported": {
            "tool": origin.tool,
            "version": origin.version,
            "file": origin.file.name,
            "sha256": origin.sha256,
            "settings": origin.settings,
            "notes": [*log.notes, *notes],
        },
        "status": "done",
        "train": None,
        "runtime": {"engine": f"imported from {origin.tool}"},
    }


def record_of(
    draft: LogDraft, writer: RowWriter, repeat: int, kept: Sequence[Metric], choice: Choice
) -> RunRecord:
    """The run that a draft's repeat becomes, with the metrics that are `kept`."""
    log = draft.log
    version = log.task_version or choice.version
    key = digest(
        [
            log.origin.sha256,
            log.task,
            log.system,
            log.task_version,
            draft.names.pair_by,
            choice.primary,
            repeat,
        ]
    )
    lack = writer.missing()
    return RunRecord.of(
        {
            **head(log, repeat, key, log.task, draft.notes),
            "task": _task(log, version, kept, writer, choice),
            "seeded": len(draft.writers) > 1,
            "error": None if lack is None else lack.sentence(),
            "missing": None if lack is None else lack.to_json(),
            "answer": _answer(writer),
            "metrics": _metrics(writer, kept),
            "counts": {"scored": _tally(writer, kept, choice).n, "error": sum(writer.errors.values())},
        }
    )


def _task(
    log: ForeignLog, version: str | None, kept: Sequence[Metric], writer: RowWriter, choice: Choice
) -> JsonObject:
    number = _whole(version)
    scorers: list[JsonObject] = [
        {
            "name": metric.stored_as,
            "binary": not writer.tallies[metric.name].graded,
            "identity": {"kind": "imported", "metric": metric.stored_as},
        }
        for metric in sorted(kept, key=lambda metric: metric.stored_as != choice.primary)
    ]
    return {
        "name": log.task,
        "version": number,
        "data_hash": digest(["imported", log.task, version if number is None else None])[:16],
        "primary": choice.primary,
        "margin": choice.margin,
        "format": {"kind": "imported"},
        "scorers": scorers,
    }


def _recipe(log: ForeignLog) -> JsonObject:
    """The system as a recipe: nothing is known about it except how it was asked."""
    program: JsonObject = {
        "kind": "imported",
        "tool": log.origin.tool,
        "model": log.model,
        **log.origin.settings,
    }
    about = f"Imported from {log.origin.tool}."
    return {"name": log.system, "about": about, "data": {}, "base": {}, "weights": [], "program": program}


def _answer(writer: RowWriter) -> JsonObject | None:
    if not writer.tokens_in and not writer.tokens_out:
        return None
    n = writer.count
    return {"tokens_in_mean": writer.tokens_in / n, "tokens_out_mean": writer.tokens_out / n}


def _metrics(writer: RowWriter, kept: Sequence[Metric]) -> JsonObject:
    answered = writer.count - sum(writer.errors.values())
    means: dict[str, JsonObject] = {}
    if answered:
        means = {name: {"mean": 1.0, "n": answered} for name in ("valid_strict", "valid_extracted")}
    for metric in kept:
        tally = writer.tallies[metric.name]
        if tally.n:
            mean = tally.mean if metric.higher_is_better else 1.0 - tally.mean
            means |= {metric.stored_as: {"mean": mean, "n": tally.n}}
    return means


def _tally(writer: RowWriter, kept: Sequence[Metric], choice: Choice) -> Tally:
    return next(writer.tallies[metric.name] for metric in kept if metric.stored_as == choice.primary)


def _whole(version: str | None) -> int | None:
    """1 for "1" and "1.0"; None for a version that is not an integer."""
    try:
        number = float(version or "")
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() and abs(number) < 2**31 else None


def _moment(text: str | None) -> str | None:
    """A moment in UTC, as in run records; None if the log's text is not a date."""
    try:
        moment = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return utc.astimezone(datetime.UTC).isoformat(timespec="seconds")

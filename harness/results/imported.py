"""Other tools' logs as runs: drafts beside the runs, checked together, then put in place all at once.

A draft is a folder whose name begins with a dot, which nobody takes for a run; `run.json` is written last.
"""

from __future__ import annotations

import datetime
import filecmp
import math
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core.errors import ConfigError, nearest
from harness.core.files import write_json
from harness.core.json_types import JsonObject
from harness.core.keys import digest
from harness.imports.content import Evidence, Known, Namer
from harness.imports.pairing import NamedLog, named, roster
from harness.imports.sample import ForeignLog, Metric
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.imported_rows import RowWriter, Tally, unusable
from harness.results.records.run import RunRecord
from harness.results.stored_logs import StoredLog

FORMAT = 2
MARGIN = 0.02
"""A smaller difference does not matter; as for a task file that names none."""
LONGEST = 40
"""Characters of a name in a run's id."""
EVERY = 10_000
"""Samples between two reports of progress."""
Progress = Callable[[int], None]


@dataclass(kw_only=True)
class LogDraft:
    """One log, written but not yet a run: a writer for each repeat."""

    log: ForeignLog
    folder: Path
    writers: dict[int, RowWriter] = field(default_factory=dict)
    names: NamedLog
    notes: list[str] = field(default_factory=list)

    def usable(self) -> list[Metric]:
        """The metrics whose samples are scores; why others are not goes to `notes`."""
        kept = []
        for metric in self.log.metrics:
            total = Tally()
            for writer in self.writers.values():
                total.join(writer.tallies[metric.name])
            why = unusable(metric, total)
            if why:
                self.notes.append(why)
            else:
                kept.append(metric)
        return kept


def written(
    results: Path,
    logs: Sequence[ForeignLog],
    pair_by: Evidence,
    stored: Sequence[StoredLog] = (),
    progress: Progress | None = None,
) -> list[LogDraft]:
    """Drafts of the logs of one task. Logs that show what was asked come first; the others' examples are named after
    theirs and those of `stored` runs, where a hash or an id leads to one alone."""
    showing = [log for log in logs if shows_content(log)]
    bare = [log for log in logs if log not in showing]
    drafts = [_draft(results, log, pair_by, Known(), progress) for log in showing]
    if bare:
        known = roster([*(draft.names for draft in drafts), *(log for log in stored if log.shows_content)])
        drafts += [_draft(results, log, pair_by, known, progress) for log in bare]
    return sorted(drafts, key=lambda draft: logs.index(draft.log))


def shows_content(log: ForeignLog) -> bool:
    """Whether a log holds what was asked."""
    return any(sample.shows_content for sample in log.samples())


def _draft(
    results: Path, log: ForeignLog, pair_by: Evidence, known: Known, progress: Progress | None
) -> LogDraft:
    mark = digest([log.origin.sha256, log.task, log.system, pair_by])[:12]
    folder = ResultsFolder(results).runs / f".import-{mark}"
    writers: dict[int, RowWriter] = {}
    namers: dict[int, Namer] = {}
    names: set[str] = set()
    count = 0
    try:
        for name, sample in named(log, pair_by, known, namers):
            writer = writers.get(sample.repeat)
            if writer is None:
                path = folder / str(sample.repeat) / "samples.jsonl"
                writer = writers[sample.repeat] = RowWriter(path, log.metrics)
            writer.add(name, sample)
            names.add(name)
            count += 1
            if progress is not None and count % EVERY == 0:
                progress(count)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=folder) from None
    finally:
        for writer in writers.values():
            writer.close()
    if not count:
        raise ConfigError("holds no sample", file=log.origin.file)
    evidence: dict[Evidence, int] = {}
    for namer in namers.values():
        for kind, number in namer.evidence.items():
            evidence[kind] = evidence.get(kind, 0) + number
    named_log = NamedLog(log=log, pair_by=pair_by, known=known, names=frozenset(names), evidence=evidence)
    return LogDraft(log=log, folder=folder, writers=writers, names=named_log)


def drop(drafts: Sequence[LogDraft]) -> None:
    """Take drafts away again."""
    for draft in drafts:
        shutil.rmtree(draft.folder, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the runs of one task share: the primary metric, the margin, the task's version."""

    primary: str
    margin: float
    version: str | None


def choose(
    drafts: Sequence[LogDraft],
    metric: str | None,
    margin: float | None,
    stored: Sequence[StoredLog] = (),
) -> Choice:
    """The metric that decides: the one that was named, else the one that decides over the `stored` runs that are
    compared with these, else the first that every log has.

    Raises:
        ConfigError: no log scores the metric, or there is none that all have.
    """
    usable = [draft.usable() for draft in drafts]
    shared = [one.stored_as for one in usable[0] if all(_has(others, one) for others in usable[1:])]
    if not shared:
        draft = next((d for d, own in zip(drafts, usable, strict=True) if not own), drafts[0])
        reasons = "; ".join([*draft.log.notes, *draft.notes]) or "the logs share no metric"
        names = ", ".join(sorted({one.stored_as for own in usable for one in own}))
        remedy = f"metrics there are: {names}" if names else "import a log that holds a score per sample"
        raise ConfigError(
            f"{draft.log.task}: no score to compare: {reasons}", file=draft.log.origin.file, remedy=remedy
        )
    if metric is not None and metric not in shared:
        raise ConfigError(
            f"no metric '{metric}' in every log of {drafts[0].log.task}", remedy=nearest(metric, shared)
        )
    versions = {draft.log.task_version for draft in drafts} - {None}
    if not versions:
        versions = {str(log.record.task.version) for log in stored if log.record.task.version is not None}
    decided = [log.record.task.primary for log in stored]
    return Choice(
        primary=metric or next((name for name in decided if name in shared and name), shared[0]),
        margin=MARGIN if margin is None else margin,
        version=versions.pop() if len(versions) == 1 else None,
    )


def _has(metrics: Sequence[Metric], metric: Metric) -> bool:
    return any(other.stored_as == metric.stored_as for other in metrics)


def finished(results: Path, draft: LogDraft, choice: Choice) -> list[RunRecord]:
    """The runs of a draft, put in place; one that is there already, with the same answers under the same names, stays
    as it is."""
    runs = ResultsFolder(results)
    kept = [metric for metric in draft.log.metrics if not _refused(metric, draft)]
    dropped = [metric.stored_as for metric in draft.log.metrics if metric not in kept]
    records = []
    for repeat, writer in sorted(draft.writers.items()):
        if dropped:
            writer.drop(dropped)
        record = _record(draft, writer, repeat, kept, choice)
        folder = runs.run(record.id)
        if not _is_there(folder, record, writer):
            shutil.rmtree(folder.path, ignore_errors=True)
            writer.path.parent.rename(folder.path)
            write_json(folder.path / "run.json", record.to_json())
        records.append(record)
    drop([draft])
    return records


def _is_there(folder: RunFolder, record: RunRecord, writer: RowWriter) -> bool:
    """Whether a run is stored as it is now. A log without prompts is not, once another log says what its ids ask."""
    stored = folder.record()
    return (
        stored is not None
        and stored.task == record.task
        and folder.samples.is_file()
        and filecmp.cmp(writer.path, folder.samples, shallow=False)
    )


def _refused(metric: Metric, draft: LogDraft) -> bool:
    total = Tally()
    for writer in draft.writers.values():
        total.join(writer.tallies[metric.name])
    return bool(unusable(metric, total))


def head(log: ForeignLog, repeat: int, key: str, task: str, notes: Sequence[str] = ()) -> JsonObject:
    """What the record of any imported run says: which system, when, and where its answers came from."""
    origin = log.origin
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "id": f"{_slug(task)}-{_slug(log.system)}-{key[:8]}",
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


def _record(
    draft: LogDraft, writer: RowWriter, repeat: int, kept: Sequence[Metric], choice: Choice
) -> RunRecord:
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
    """The system as a recipe: nothing is known of it but how it was asked."""
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
    """1 for "1" and "1.0"; None for a version that is no whole number."""
    try:
        number = float(version or "")
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() and abs(number) < 2**31 else None


def _moment(text: str | None) -> str | None:
    """A moment in UTC, as runs have it; None where the log's text is none."""
    try:
        moment = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    utc = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return utc.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _slug(name: str) -> str:
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "log"
    return plain[:LONGEST]


def file_name(name: str) -> str:
    """A name as part of a file name."""
    return _slug(name)


def renamed(log: ForeignLog, *, task: str | None = None, system: str | None = None) -> ForeignLog:
    """The log under other names."""
    return replace(log, task=task or log.task, system=system or log.system)

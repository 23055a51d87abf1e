"""Other tools' logs as runs: drafts beside the runs, checked together, then put in place all at once.

A draft is a folder whose name starts with a dot, which is never taken for a run; `run.json` is written last.
"""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.core.errors import ConfigError, nearest
from harness.core.files import write_json
from harness.imports.content import Evidence
from harness.imports.pairing import roster
from harness.imports.sample import ForeignLog, Metric
from harness.results import log_draft, log_drafts
from harness.results.database.bulk_queries import Written
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.imported_lines import FIELDS
from harness.results.imported_record import Choice, record_of
from harness.results.imported_rows import RowWriter
from harness.results.imported_tally import BEYOND
from harness.results.log_draft import LogDraft, Progress
from harness.results.put_in_place import put_in_place
from harness.results.records.run import RunRecord
from harness.results.stored_logs import StoredLog

MARGIN = 0.02
"""A smaller difference does not matter; the default of a task file that names none."""
UNSCORED = "import a log that holds a score per sample, or let a task of the harness score its answers: --beside TASK"
UNSCORED_BESIDE = "leave this file out, or let a task of the harness score the answers of all: --beside TASK"
PERCENTAGES = "divide percentages by 100, or let a task of the harness score the answers: --beside TASK"


def written(
    results: Path,
    logs: Sequence[ForeignLog],
    pair_by: Evidence,
    stored: Sequence[StoredLog] = (),
    progress: Progress | None = None,
) -> list[LogDraft]:
    """Drafts of the logs of one task. Logs that show what was asked come first; the others' examples are named after
    theirs and those of `stored` runs, if a hash or an id leads to exactly one.

    Raises:
        ConfigError: as `log_draft.draft`; no draft is left then.
    """
    for log in logs:
        log_draft.remove_left_behind(log_draft.folder_of(results, log, pair_by))
    try:
        showing = [log for log in logs if log.shows_content]
        made = log_drafts.drafts(results, showing, pair_by, progress)
        bare = [log for log in logs if not log.shows_content]
        if bare:
            known = roster([*(draft.names for draft in made), *(log for log in stored if log.shows_content)])
            made += [
                log_draft.draft(log_draft.folder_of(results, log, pair_by), log, pair_by, known, progress)
                for log in bare
            ]
    except BaseException:
        for log in logs:
            shutil.rmtree(log_draft.folder_of(results, log, pair_by), ignore_errors=True)
        raise
    return sorted(made, key=lambda draft: logs.index(draft.log))


@contextmanager
def removed_at_the_end() -> Iterator[list[Path]]:
    """Inside the `with` block, a list for the folders of drafts; they are removed when it ends."""
    folders: list[Path] = []
    try:
        yield folders
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def choose(
    drafts: Sequence[LogDraft],
    metric: str | None,
    margin: float | None,
    stored: Sequence[StoredLog] = (),
) -> Choice:
    """The metric that decides: the one that was named, else the one that decides over the `stored` runs that are
    compared with these, else the first that every log has.

    Raises:
        ConfigError: no log scores the metric, or there is none that all logs have.
    """
    usable = [draft.usable for draft in drafts]
    shared = [one.stored_as for one in usable[0] if all(_has(others, one) for others in usable[1:])]
    if not shared:
        draft = next((d for d, own in zip(drafts, usable, strict=True) if not own), drafts[0])
        reasons = "; ".join([*draft.log.notes, *draft.notes, *_failed(draft)]) or "the logs share no metric"
        remedy = PERCENTAGES if BEYOND in reasons else _remedy(drafts, usable)
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


def _failed(draft: LogDraft) -> list[str]:
    """A sentence if every answer failed: then it is not the metric that is missing."""
    lacks = [lack for writer in draft.writers.values() if (lack := writer.missing()) is not None]
    answers = sum(writer.count for writer in draft.writers.values())
    return [lacks[0].sentence()] if lacks and sum(lack.count for lack in lacks) == answers else []


def _remedy(drafts: Sequence[LogDraft], usable: Sequence[Sequence[Metric]]) -> str:
    """What to do where logs share no metric, or one has none."""
    if not all(usable):
        return UNSCORED_BESIDE if any(usable) else UNSCORED
    names = "; ".join(
        f"{', '.join(one.stored_as for one in own)} ({draft.log.system})"
        for draft, own in zip(drafts, usable, strict=True)
    )
    tables = any(draft.log.origin.tool == "csv" for draft in drafts)
    return f"metrics there are: {names}" + ("; a table names its own in a column `metric`" if tables else "")


def _has(metrics: Sequence[Metric], metric: Metric) -> bool:
    return any(other.stored_as == metric.stored_as for other in metrics)


def finished(results: Path, draft: LogDraft, choice: Choice) -> list[RunRecord]:
    """The runs of a draft, put in place; an existing one with the same answers under the same names is not
    changed. What the store need not read from their lines stays behind in the draft."""
    runs = ResultsFolder(results)
    kept = draft.usable
    dropped = [metric.stored_as for metric in draft.log.metrics if metric not in kept]
    records = []
    for repeat, writer in sorted(draft.writers.items()):
        if dropped:
            writer.drop(dropped)
        record = record_of(draft, writer, repeat, kept, choice)
        made = writer.path.parent
        write_json(made / "run.json", record.to_json())
        put_in_place(
            made, runs.run(record.id).path, is_there=partial(_is_there, runs.run(record.id), record, writer)
        )
        records.append(record)
    return records


def answers_of(draft: LogDraft, records: Sequence[RunRecord]) -> dict[str, Written]:
    """What is known of the answers of a draft's runs, by the run's id, so that the store need not check them again."""
    writers = [writer for _, writer in sorted(draft.writers.items())]
    return {
        record.id: Written(
            count=writer.count,
            fields=FIELDS,
            plain_scores=writer.plain_scores,
            columns=writer.columns.path if writer.columns is not None and writer.columns.whole else None,
            stamp=writer.stamp,
        )
        for record, writer in zip(records, writers, strict=True)
        if writer.checked
    }


def _is_there(folder: RunFolder, record: RunRecord, writer: RowWriter) -> bool:
    """Whether a run is already stored in its current form. A log without prompts is not, once another log
    tells what its ids ask."""
    stored = folder.record()
    if stored is None or stored.task != record.task:
        return False
    try:
        return filecmp.cmp(writer.path, folder.samples, shallow=False)
    except OSError:  # it has no answers, or another command is replacing it
        return False


def renamed(log: ForeignLog, *, task: str | None = None, system: str | None = None) -> ForeignLog:
    """The log under other names."""
    return replace(log, task=task or log.task, system=system or log.system)

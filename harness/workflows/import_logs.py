"""What `harness import` does: other tools' logs → runs, how their examples pair, verdicts and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.activity import working
from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.options import path, repeated
from harness.imports.open_logs import open_logs
from harness.imports.pairing import Pairing, pair, pairings, remedy
from harness.imports.sample import ForeignLog
from harness.results import imported, run_labels, stored_logs
from harness.results.database import ingest
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.imported_record import Choice, LogDraft, file_name
from harness.results.records.run import RunRecord
from harness.results.remote import mirror
from harness.results.stored_logs import StoredLog
from harness.workflows.options.import_logs import ImportOptions

if TYPE_CHECKING:
    from harness.evidence.verdict_types import Verdict


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """The results of an import: runs, pairings, verdicts, and notes on them."""

    records: tuple[RunRecord, ...]
    pairings: tuple[Pairing, ...]
    verdicts: tuple[Verdict, ...] = ()
    report: Path | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "runs": [record.to_json() for record in self.records],
            "pairings": [pairing.to_json() for pairing in self.pairings],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "report": None if self.report is None else str(self.report),
            "notes": list(self.notes),
        }


def from_options(options: ImportOptions) -> ImportResult:
    """Import the logs, decide per task, and write one report; without `verdict` the runs are only stored.

    Raises:
        ConfigError: a file that cannot be read, a metric that not all logs have, or logs of which no example can be
            paired; nothing is imported then.
    """
    results = options.results_path
    with working("reading logs") as activity:
        logs = _renamed(options)
        if options.beside is not None:
            from harness.workflows import import_beside

            records, pairs = import_beside.run(logs, options.beside, results, activity.now)
            done = ImportResult(records=tuple(records), pairings=tuple(pairs))
        else:
            done = _imported(logs, options, results, activity.now)
        activity.now("bringing the runs into the store")
        for problem in ingest.sync(results).problems:
            done = replace(done, notes=(*done.notes, problem))
        if options.verdict:
            activity.now("deciding")
            done = _judged(done, results, path(options.report), alone=_is_one_system(logs))
    return done


def _renamed(options: ImportOptions) -> list[ForeignLog]:
    """The logs of all files, under the requested names."""
    names = repeated(options.name)
    if names and len(names) != len(options.paths):
        raise ConfigError(
            f"{len(names)} names for {len(options.paths)} files", remedy="give one --name for each file"
        )
    logs: list[ForeignLog] = []
    for index, file in enumerate(options.paths):
        own = open_logs([file])
        systems = {log.system for log in own}
        if names and len(systems) > 1:
            remedy = "leave --name out, or import this file alone"
            raise ConfigError(
                f"holds {len(systems)} systems: {', '.join(sorted(systems))}", file=file, remedy=remedy
            )
        system = names[index] if names else None
        logs += [imported.renamed(log, task=options.task, system=system) for log in own]
    unique = {(log.origin.sha256, log.task, log.system): log for log in logs}
    return list(unique.values())


def _imported(
    logs: Sequence[ForeignLog], options: ImportOptions, results: Path, now: Callable[[str], None]
) -> ImportResult:
    groups: dict[str, list[ForeignLog]] = {}
    for log in logs:
        groups.setdefault(log.task, []).append(log)
    drafts: dict[str, list[LogDraft]] = {}
    stored = {task: _stored(results, own) for task, own in groups.items()}
    partners = {task: stored[task] if _is_one_system(own) else [] for task, own in groups.items()}
    try:
        for task, own in groups.items():
            progress = partial(_counted, now, task)
            drafts[task] = imported.written(results, own, options.pair_by, stored[task], progress)
        notes = [note for own in drafts.values() for note in _several(own)]
        paired = [*_paired(drafts), *_paired_with_stored(drafts, partners)]
        choices = {
            task: imported.choose(own, options.metric, options.margin, partners[task])
            for task, own in drafts.items()
        }
        records = [
            record
            for task, own in drafts.items()
            for draft in own
            for record in imported.finished(results, draft, choices[task])
        ]
    except BaseException:
        imported.drop([draft for own in drafts.values() for draft in own])
        raise
    notes = [
        *(note for own in drafts.values() for note in _notes(own)),
        *notes,
        *_uncompared(drafts, partners),
    ]
    notes += [
        note for task, logs in partners.items() for note in _of_stored(drafts[task], logs, choices[task])
    ]
    return ImportResult(records=tuple(records), pairings=tuple(paired), notes=tuple(notes))


def _is_one_system(logs: Sequence[ForeignLog]) -> bool:
    return len({log.system for log in logs}) == 1


def _stored(results: Path, logs: Sequence[ForeignLog]) -> list[StoredLog]:
    """Existing runs of the same task, if the logs need them: to tell what their ids ask, or to be compared
    with."""
    if _is_one_system(logs) or not all(map(imported.shows_content, logs)):
        return stored_logs.of_task(results, logs)
    return []


def _paired_with_stored(
    drafts: Mapping[str, Sequence[LogDraft]], partners: Mapping[str, Sequence[StoredLog]]
) -> list[Pairing]:
    """How a system that is imported alone pairs with the stored runs of its task."""
    return [pair(log, drafts[task][0].names) for task, logs in partners.items() for log in logs]


def _of_stored(drafts: Sequence[LogDraft], stored: Sequence[StoredLog], choice: Choice) -> Iterator[str]:
    """Why stored runs are not compared with what was imported now."""
    for log in stored:
        system, file = log.log.system, log.record.imported.file if log.record.imported else ""
        if log.record.task.primary != choice.primary:
            yield (
                f"{system}, which was imported before, is decided on {log.record.task.primary}, and this on "
                f"{choice.primary}: to compare them, import both files in one command, or with --metric"
            )
        elif not log.shows_content and drafts[0].names.evidence.get("content"):
            yield (
                f"{system} was imported before by what its log holds, without prompts: import {file} again, and its "
                f"examples are named after those of {drafts[0].log.system}"
            )


def _several(drafts: Sequence[LogDraft]) -> Iterator[str]:
    """What to know about systems that appear in several logs of a task, and about the task's versions.

    Raises:
        ConfigError: logs of one system that share no example: parts of a log, or of several tasks.
    """
    systems: dict[str, list[LogDraft]] = {}
    for draft in drafts:
        systems.setdefault(draft.log.system, []).append(draft)
    for system, own in systems.items():
        if len(own) > 1:
            yield _of_one_system(system, own)
    versions = {draft.log.system: draft.log.task_version for draft in drafts if draft.log.task_version}
    if len(set(versions.values())) > 1:
        answered = ", ".join(f"{system} {version}" for system, version in versions.items())
        yield (
            f"versions of {drafts[0].log.task} differ ({answered}): scores of two versions are not compared; run the "
            "tool again with one version"
        )


def _of_one_system(system: str, drafts: Sequence[LogDraft]) -> str:
    first, *others = drafts
    task, count = first.log.task, len(drafts)
    shared = first.names.names.intersection(*(draft.names.names for draft in others))
    if not shared:
        raise ConfigError(
            f"{system} stands in {count} logs of {task} that share no example",
            file=others[0].log.origin.file,
            remedy="parts of one log: join the files; logs of several tasks: name one samples file instead of --task",
        )
    if any(draft.log.origin.settings != first.log.origin.settings for draft in others):
        return (
            f"{system} stands in {count} logs of {task} with other settings, taken as {count} systems; --name gives "
            "each file's a name"
        )
    largest = max(len(draft.names.names) for draft in drafts)
    alike = "" if len(shared) == largest else f", of which {len(shared)} of {largest} examples are in all"
    return f"{system} stands in {count} logs of {task}, taken as its seeds{alike}; to compare them, give each file a --name"


def _uncompared(
    drafts: Mapping[str, Sequence[LogDraft]], partners: Mapping[str, Sequence[StoredLog]]
) -> Iterator[str]:
    """Which tasks only one of several systems answered, so that they are in the store but in no
    comparison."""
    systems = {draft.log.system for own in drafts.values() for draft in own}
    alone: dict[str, list[str]] = {}
    for task, own in drafts.items():
        if _is_one_system([draft.log for draft in own]) and not partners[task]:
            alone.setdefault(own[0].log.system, []).append(task)
    if len(systems) > 1:
        for system, tasks in alone.items():
            yield f"{', '.join(tasks)}: only {system} answered {'it' if len(tasks) == 1 else 'them'}; nothing to compare"


def _counted(now: Callable[[str], None], task: str, count: int) -> None:
    now(f"{task}: {count:,} samples")


def _notes(drafts: Iterable[LogDraft]) -> list[str]:
    """What to know about each log, said once if it is true of several."""
    notes = [f"{draft.log.system}, {draft.log.task}: {note}" for draft in drafts for note in _of(draft)]
    return list(dict.fromkeys(notes))


def _of(draft: LogDraft) -> list[str]:
    lacks = [lack for writer in draft.writers.values() if (lack := writer.missing()) is not None]
    errors = sum(lack.count for lack in lacks)
    answers = sum(writer.count for writer in draft.writers.values())
    failed = (
        [f"{errors} of {answers} answers failed and count neither as right nor as wrong"] if errors else []
    )
    repeats = (
        [f"{len(draft.writers)} answers to each example, taken as seeds"] if len(draft.writers) > 1 else []
    )
    return [*draft.log.notes, *draft.notes, *failed, *repeats]


def _paired(drafts: Mapping[str, Sequence[LogDraft]]) -> list[Pairing]:
    """How the logs of each task pair.

    Raises:
        ConfigError: not one example of several systems is in two logs.
    """
    groups = {task: [draft.names for draft in own] for task, own in drafts.items()}
    pairs = [pairing for own in groups.values() for pairing in pairings(own)]
    systems = {log.log.system for own in groups.values() for log in own}
    if pairs and not any(pairing.paired for pairing in pairs):
        raise ConfigError(pairs[0].sentence, remedy=remedy(pairs[0], groups))
    if not pairs and len(systems) > 1:
        logs = [log for own in groups.values() for log in own]
        other = next(log for log in logs if log.log.system != logs[0].log.system)
        across = pairings([logs[0], replace(other, log=replace(other.log, task=logs[0].log.task))])[0]
        named = f"{logs[0].log.system} answered {logs[0].log.task}, {other.log.system} {other.log.task}"
        raise ConfigError(
            f"no two logs are of one task: {named}; {across.sentence}", remedy=_one_name(across)
        )
    return pairs


def _one_name(across: Pairing) -> str:
    if across.paired:
        same = "ids" if across.evidence == ("id",) else "prompts"
        return f"did you mean one task? {across.paired} of {across.of} {same} are the same: --task NAME"
    return "compare logs of one task; import each of these on its own to keep both"


def _judged(done: ImportResult, results: Path, report: Path | None, *, alone: bool) -> ImportResult:
    """With the verdicts over what was imported, and, if it came `alone`, over earlier imports too. The report
    also has the verdicts over our own runs by themselves."""
    from harness.results import run_scores

    ids = list(
        dict.fromkeys([*(record.id for record in done.records), *_others(done.records, results, alone=alone)])
    )
    folders = [ResultsFolder(results).run(id_).path for id_ in ids]
    verdicts = tuple(run_scores.verdicts(folders))
    if not verdicts:
        return done
    judged = tuple(one for one in verdicts if one.model in (run_labels.IMPORTED, run_labels.BESIDE))
    from harness.report import files
    from harness.report.build import build

    tasks = list(dict.fromkeys(record.task.name for record in done.records))
    title = tasks[0] if len(tasks) == 1 else "imported"
    placed = files.place(results, report or files.named(file_name(title)), ids)
    if placed.out is not None:
        build(results, placed.out, run_ids=ids, verdicts=verdicts, title=title)
        mirror.keep(results, placed.out)
    notes = (*done.notes, placed.note) if placed.note else done.notes
    return replace(done, verdicts=judged, report=placed.file, notes=notes)


def _others(records: Sequence[RunRecord], results: Path, *, alone: bool) -> Iterator[str]:
    """Our finished runs of the tasks that the imported ones are of, on the same data; with `alone` also runs of other
    tools that were imported before."""
    tasks = {(record.task.name, record.task.data_hash) for record in records}
    for folder in ResultsFolder(results).run_folders():
        record = RunFolder(folder).answered()
        if record is None or record.split != "test" or (record.imported is not None and not alone):
            continue
        if (record.task.name, record.task.data_hash) in tasks:
            yield folder.name

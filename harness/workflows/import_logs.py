"""What `harness import` does: other tools' logs → runs, how their examples pair, verdicts and a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.activity import working
from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject
from harness.core.names import slug
from harness.core.options import path, repeated
from harness.imports.open_logs import each_once, open_logs
from harness.imports.pairing import Pairing
from harness.imports.sample import ForeignLog
from harness.results import imported, run_labels, stored_logs
from harness.results.database import ingest
from harness.results.database.bulk_queries import Written
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.imported_record import UNNAMED
from harness.results.log_draft import LogDraft
from harness.results.records.run import RunRecord
from harness.results.remote import mirror
from harness.results.stored_logs import StoredLog
from harness.workflows import import_checks
from harness.workflows.options.import_logs import ImportOptions

HASHED_AT_ONCE = 2
"""How many files are opened at once: most of that time goes into hashing, which threads can share."""

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
    written: dict[str, Written] = {}
    with working("reading logs") as activity:
        logs = _renamed(options)
        with imported.removed_at_the_end() as drafts:
            if options.beside is not None:
                from harness.workflows import import_beside

                records, pairs = import_beside.run(logs, options.beside, results, activity.now)
                done = ImportResult(records=tuple(records), pairings=tuple(pairs))
            else:
                done, written = _imported(logs, options, results, activity.now, drafts)
            activity.now("bringing the runs into the store")
            for problem in ingest.sync(results, written).problems:
                done = replace(done, notes=(*done.notes, problem))
        if options.verdict:
            activity.now("deciding")
            done = _judged(done, results, path(options.report))
    return done


def _renamed(options: ImportOptions) -> list[ForeignLog]:
    """The logs of all files, under the requested names."""
    names = repeated(options.name)
    if names and len(names) != len(options.paths):
        raise ConfigError(
            f"--name is given {len(names)} times for {len(options.paths)} files",
            remedy="give one --name for each file",
        )
    logs: list[ForeignLog] = []
    with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:
        opened = list(pool.map(lambda file: open_logs([file]), options.paths))
    for index, (file, own) in enumerate(zip(options.paths, opened, strict=True)):
        systems = {log.system for log in own}
        if names and len(systems) > 1:
            remedy = "leave --name out, or import this file alone"
            raise ConfigError(
                f"holds {len(systems)} systems: {', '.join(sorted(systems))}", file=file, remedy=remedy
            )
        system = names[index] if names else None
        logs += [imported.renamed(log, task=options.task, system=system) for log in own]
    return each_once([logs])


def _imported(
    logs: Sequence[ForeignLog],
    options: ImportOptions,
    results: Path,
    now: Callable[[str], None],
    folders: list[Path],
) -> tuple[ImportResult, dict[str, Written]]:
    """The runs, and what is known of their answers; the folders of the drafts are added to `folders`."""
    groups: dict[str, list[ForeignLog]] = {}
    for log in logs:
        groups.setdefault(log.task, []).append(log)
    drafts: dict[str, list[LogDraft]] = {}
    stored = {task: _stored(results, own) for task, own in groups.items()}
    partners = {
        task: stored[task] if import_checks.is_one_system(own) else [] for task, own in groups.items()
    }
    for task, own in groups.items():
        progress = partial(_counted, now, task)
        drafts[task] = imported.written(results, own, options.pair_by, stored[task], progress)
        folders += [draft.folder for draft in drafts[task]]
    notes = [note for own in drafts.values() for note in import_checks.about_repeated(own)]
    paired = [*import_checks.paired(drafts), *import_checks.paired_with_stored(drafts, partners)]
    choices = {
        task: imported.choose(own, options.metric, options.margin, partners[task])
        for task, own in drafts.items()
    }
    records: list[RunRecord] = []
    written: dict[str, Written] = {}
    for task, made in drafts.items():
        for draft in made:
            runs = imported.finished(results, draft, choices[task])
            written |= imported.answers_of(draft, runs)
            records += runs
    notes = [
        *(note for own in drafts.values() for note in import_checks.about_logs(own)),
        *notes,
        *import_checks.about_uncompared(drafts, partners),
    ]
    notes += [
        note
        for task, logs in partners.items()
        for note in import_checks.about_stored(drafts[task], logs, choices[task])
    ]
    return ImportResult(records=tuple(records), pairings=tuple(paired), notes=tuple(notes)), written


def _stored(results: Path, logs: Sequence[ForeignLog]) -> list[StoredLog]:
    """Existing runs of the same task, if the logs need them: to tell what their ids ask, or to be compared
    with."""
    if import_checks.is_one_system(logs) or not all(log.shows_content for log in logs):
        return stored_logs.of_task(results, logs)
    return []


def _counted(now: Callable[[str], None], task: str, count: int) -> None:
    now(f"{task}: {count:,} samples")


def _judged(done: ImportResult, results: Path, report: Path | None) -> ImportResult:
    """With the verdicts over what was imported, and, for a task of which one system came alone, over earlier imports too.
    The report also has the verdicts over our own runs by themselves."""
    from harness.results import run_scores

    ids = list(dict.fromkeys([*(record.id for record in done.records), *_others(done.records, results)]))
    folders = [ResultsFolder(results).run(id_).path for id_ in ids]
    verdicts = tuple(run_scores.verdicts(folders))
    if not verdicts:
        return done
    judged = tuple(one for one in verdicts if one.model in (run_labels.IMPORTED, run_labels.BESIDE))
    from harness.report import files
    from harness.report.build import build

    tasks = list(dict.fromkeys(record.task.name for record in done.records))
    title = tasks[0] if len(tasks) == 1 else "imported"
    placed = files.place(results, report or files.named(slug(title) or UNNAMED), ids)
    if placed.out is not None:
        build(results, placed.out, run_ids=ids, verdicts=verdicts, title=title)
        mirror.keep(results, placed.out)
    notes = (*done.notes, placed.note) if placed.note else done.notes
    return replace(done, verdicts=judged, report=placed.file, notes=notes)


def _others(records: Sequence[RunRecord], results: Path) -> Iterator[str]:
    """Our finished runs of the tasks that the imported ones are of, on the same data; of a task of which one system came
    alone also runs of other tools that were imported before."""
    systems: dict[tuple[str, str | None], set[str]] = {}
    for given in records:
        systems.setdefault((given.task.name, given.task.data_hash), set()).add(given.recipe.name)
    for folder in ResultsFolder(results).run_folders():
        record = RunFolder(folder).answered()
        if record is None or record.split != "test":
            continue
        here = systems.get((record.task.name, record.task.data_hash), set())
        if here and (record.imported is None or len(here) == 1):
            yield folder.name

"""Run an experiment: skip what is complete, resume what was interrupted, record what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from harness.core.errors import ConfigError, WorkerLostError
from harness.core.execution import Executor
from harness.core.kinds import build
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.results.remote import mirror
from harness.runner import again, trained
from harness.runner.asked import seen_by
from harness.runner.cell_worker import CellResult, CellWork, Event, job, replay, unpack
from harness.runner.cells import Cell
from harness.runner.execute import failed
from harness.runner.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Records of all cells in order, and how many of them were run now."""

    records: tuple[RunRecord, ...]
    folders: tuple[Path, ...]
    fresh: int
    notes: tuple[str, ...] = ()
    """Notes on runs: made with other library versions and reused, or answered by several models."""

    @property
    def failures(self) -> tuple[RunRecord, ...]:
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def unfinished(self) -> tuple[RunRecord, ...]:
        """Runs that failed, and those that the same command would continue."""
        return tuple(record for record in self.records if record.status in ("failed", "partial"))

    @property
    def incomplete(self) -> tuple[RunRecord, ...]:
        """Runs that are not finished, and finished ones that lack answers for good."""
        lacking = (
            record for record in self.records if record.status in ("failed", "partial") or record.missing
        )
        return tuple(lacking)


def run(
    cells: Sequence[Cell],
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    on_finished: Callable[[Path], None] = lambda _: None,
    executor: Executor | None = None,
    fresh: bool = False,
    rerun_of: str | None = None,
) -> Outcome:
    """Bring every cell to completion; a failing one is recorded and the others continue.

    A finished cell is not run again. If the task file now scores differently, its stored answers are scored
    again; if other library versions made it, the outcome says so.

    Args:
        fresh: run finished cells again; the old runs are kept in `replaced/`.
        results: the results folder; runs are below `runs/`.
        on_finished: called in this process with each run's folder once it is complete (to ingest it).
        executor: where cells run; None is this process.
        rerun_of: the run that the cells repeat for its noise floor; None if they are asked for themselves.
    """
    check_writable(results)
    folders = [ResultsFolder(results).run(cell.id) for cell in cells]
    progress.plan(cells)
    if fresh:
        for cell, folder in zip(cells, folders, strict=True):
            again.put_aside(folder, results)
            trained.forget(cell, folder)
    for folder in folders:
        folder.mark_rerun(rerun_of)
    records: dict[int, RunRecord] = {}
    notes: list[str] = []
    done_now = 0
    here = executor is None or executor.in_process
    for position, done in _results(
        cells, folders, CellWork(results=results, cache=cache), progress, executor
    ):
        records[position] = seen_by(cells[position], done.record, folders[position])
        done_now += done.fresh
        notes += [] if done.fresh else again.stale(done.record)
        # Answers from other machines say nothing about this one.
        notes += again.made_elsewhere(done.record) if here and not done.fresh else []
        notes += again.remarks(done.record)
        progress.finished(cells[position], records[position], fresh=done.fresh)
        on_finished(folders[position].path)
        mirror.push_run(results, folders[position].path)
    return Outcome(
        records=tuple(records[position] for position in range(len(cells))),
        folders=tuple(folder.path for folder in folders),
        fresh=done_now,
        notes=tuple(notes),
    )


def _results(
    cells: Sequence[Cell],
    folders: Sequence[RunFolder],
    work: CellWork,
    progress: Progress,
    executor: Executor | None,
) -> Iterator[tuple[int, CellResult]]:
    """Every cell's position and result: what is complete first, the rest as it finishes."""
    known = [again.scored_as_now(cell, folder) for cell, folder in zip(cells, folders, strict=True)]
    left = [position for position, record in enumerate(known) if record is None]
    for position, record in enumerate(known):
        if record is not None:
            yield position, CellResult(record=record, fresh=False)
    if not left:
        return

    def notify(index: int, event: object) -> None:
        replay(progress, cells[left[index]], cast(Event, event))

    jobs = [job(cells[position]) for position in left]
    chosen: Executor = executor or build("executors", "local")
    with work.marked() as open_worker:
        for index, outcome in chosen.run(jobs, open_worker, notify):
            cell, folder = cells[left[index]], folders[left[index]]
            if isinstance(outcome, WorkerLostError):
                outcome = CellResult(record=failed(cell, folder, outcome), fresh=True)
            if outcome.files:
                unpack(outcome.files, folder.path)
                trained.remember(cell, folder)
            yield left[index], outcome


def check_writable(results: Path) -> None:
    """Fail before any work when the results folder cannot take it.

    Raises:
        ConfigError: the folder, or the remote storage that it mirrors, cannot be made or written.
    """
    probe = ResultsFolder(results).runs / ".writable"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = "choose another folder with --results, or make this one writable"
        raise ConfigError(f"cannot be written: {error.strerror}", file=results, remedy=remedy) from None
    mirror.check(results)

"""What a worker does with a cell, wherever it runs: in this process, another one, another machine.

Run folders are the only thing that workers write. A worker that sees the results folder writes
there; one on a machine without it writes to a folder of its own, whose files travel back.
"""

from __future__ import annotations

import errno
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.core import notices
from harness.core.errors import CellSkippedError, ConfigError, RunError, is_panic
from harness.core.execution import Job, Notify, Worker
from harness.core.files import draft
from harness.core.keys import digest
from harness.core.protocols import StepRecord
from harness.results import live
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.locks import Lock
from harness.results.records.run import RunRecord
from harness.runner import again
from harness.runner.cells import Cell
from harness.runner.execute import execute, failed
from harness.runner.model_pool import ModelPool
from harness.runner.progress import SKIPPED, Progress

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""System errors after which nothing more can be written: no other cell could finish either."""

LOOK_EVERY = 0.5
"""Seconds between two looks for a request to skip the cell."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """A cell's record, whether it was run now, and its files if they are not in place yet."""

    record: RunRecord
    fresh: bool
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CellWork:
    """Opens a worker; picklable. `mark` is a file by which a worker knows the results folder."""

    results: Path
    cache: bool
    mark: str = ""
    command: tuple[str, ...] = ()
    """The command line as the user typed it, which every run records."""

    @contextmanager
    def marked(self) -> Iterator[CellWork]:
        """The same, for workers anywhere, while the mark is in the results folder."""
        runs = ResultsFolder(self.results.resolve()).runs
        mark = runs / f".seen-by-{uuid.uuid4().hex[:12]}"
        mark.touch()
        try:
            yield replace(self, results=runs.parent, mark=mark.name, command=tuple(sys.argv))
        finally:
            mark.unlink(missing_ok=True)

    def __call__(self) -> Worker[Cell, CellResult]:
        shared = (ResultsFolder(self.results).runs / self.mark).exists()
        results = ResultsFolder(self.results if shared else Path(tempfile.mkdtemp(prefix="harness-")))
        workbench = ModelPool(results.answers if self.cache else None)
        sys.argv = list(self.command) or sys.argv

        def worker(cell: Cell, notify: Notify) -> CellResult:
            folder = results.run(cell.id)
            folder.path.parent.mkdir(parents=True, exist_ok=True)
            with Lock(folder.path):
                record = again.refreshed(cell, folder)
                fresh = record is None
                if record is None:
                    record = _attempt(cell, folder, workbench, _Relay(notify, results.path))
            return CellResult(record=record, fresh=fresh, files={} if shared else packed(folder.path))

        return worker


def job(cell: Cell) -> Job[Cell]:
    """Cells of one model and base go to one worker if possible: it has the model loaded."""
    return Job(
        what=cell,
        group=digest([cell.model, cell.recipe.base.identity()]),
        long=bool(cell.recipe.weights),
    )


def packed(folder: Path) -> dict[str, bytes]:
    """The files of a run folder by relative path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unpack(files: Mapping[str, bytes], folder: Path) -> None:
    """Put the files of a run in place, `run.json` last: its existence means that the folder is complete.

    Raises:
        ConfigError: a name that would leave the folder.
    """
    for name in sorted(files, key=lambda name: name == "run.json"):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"a worker sent a file named '{name}', which leaves its folder", file=folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft(path) as part:
            part.write_bytes(files[name])


Event = tuple[str, tuple[object, ...], dict[str, object]]
"""A method of `Progress`, and what it is called with besides the cell."""


def replay(progress: Progress, cell: Cell, event: Event) -> None:
    """Show what a worker reported."""
    name, words, named = event
    getattr(progress, name)(cell, *words, **named)


class _Relay(Progress):
    """Reports to a function instead of a terminal, and leaves the cell where the user asked for that."""

    def __init__(self, notify: Notify, results: Path) -> None:
        self._notify, self._results, self._looked = notify, results, 0.0

    def _leave_if_asked(self, cell: Cell, *, at_once: bool = False) -> None:
        """Look for a request now and then.

        Raises:
            CellSkippedError: there is one.
        """
        if not at_once and time.monotonic() - self._looked < LOOK_EVERY:
            return
        self._looked = time.monotonic()
        if live.skip_file(self._results, cell.id).exists():
            raise CellSkippedError(SKIPPED)

    def state(self, cell: Cell, state: str) -> None:
        self._leave_if_asked(cell, at_once=True)
        self._notify(("state", (state,), {}))

    def step(self, cell: Cell, step: StepRecord) -> None:
        self._notify(("step", (step,), {}))
        self._leave_if_asked(cell)

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        self._notify(("answering", (), {"done": done, "total": total}))

    def answered(self, cell: Cell) -> None:
        self._notify(("answered", (), {}))
        self._leave_if_asked(cell)


def _attempt(cell: Cell, folder: RunFolder, workbench: ModelPool, progress: Progress) -> RunRecord:
    if cell.fault:
        folder.begin(cell.describe())
        return failed(cell, folder, RunError(cell.fault))
    try:
        progress.state(cell, "starting")
        with notices.captured(folder.path / "library.log"):
            return execute(cell, folder, workbench, progress)
    except (KeyboardInterrupt, ConfigError):
        raise
    except BaseException as error:
        if not (isinstance(error, Exception) or is_panic(error)):
            raise
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            remedy = "answers so far are kept: free some space and repeat the command"
            raise ConfigError(
                f"cannot be written: {error.strerror}", file=folder.path, remedy=remedy
            ) from None
        if folder.cell() is None:  # skipped before it began
            folder.begin(cell.describe())
        log.debug("cell %s failed", cell.id, exc_info=True)
        workbench.discard()
        return failed(cell, folder, error)

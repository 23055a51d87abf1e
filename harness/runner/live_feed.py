"""Writes the progress of every cell to the results folder, for anything that watches it
(`results/live.py`)."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.core.errors import ConfigError
from harness.core.protocols import StepRecord
from harness.results import live
from harness.results.live import Ending, LiveCell, LiveRun
from harness.results.records.run import RunRecord
from harness.runner.progress import Progress, ending, outcome
from harness.runner.states import LEFT_OUT
from harness.runner.time_left import TimeLeft

if TYPE_CHECKING:
    from harness.runner.cells import Cell

EVERY = 0.3
"""Minimum number of seconds between two writes. A change that comes earlier is written that much later, even if
nothing else happens until then."""


class LiveFeed(Progress):
    """Never stops a run: what cannot be written is skipped."""

    def __init__(self, results: Path, name: str) -> None:
        now = time.time()
        self._results, self._written = results, 0.0
        self._left = TimeLeft()
        self._run = LiveRun(name=name, pid=os.getpid(), started=now, updated=now)
        self._cells: dict[str, LiveCell] = {}
        self._before = live.read(results, name)
        self._lock = threading.RLock()
        self._pending: threading.Timer | None = None

    def __enter__(self) -> Self:
        self._write(now=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending: Ending = "done" if kind is None else "stopped" if kind is KeyboardInterrupt else "failed"
        with self._lock:
            self._run = replace(self._run, ending=ending)
            self._drop_pending()
        if kind is not None and not self._cells:
            self._take_back()
        else:
            self._write(now=True)

    def _take_back(self) -> None:
        """A command that failed before it had anything to run keeps the previous command's page."""
        with contextlib.suppress(OSError):
            live.restore(self._results, self._run.name, self._before)

    def reported(self, report: Path) -> None:
        """The report has been written; from now on it is the page."""
        self._run = replace(self._run, report=str(report.absolute()))

    def plan(self, cells: Sequence[Cell]) -> None:
        self._left.plan(cells)
        planned = {
            cell.key: LiveCell(
                id=cell.id,
                recipe=cell.recipe.name,
                seed=cell.seed,
                labels=cell.labels,
                total=len(cell.all_examples),
            )
            for cell in cells
        }
        with self._lock:
            self._cells |= planned
        self._write(now=True)

    def state(self, cell: Cell, state: str) -> None:
        self._left.state(cell, state)
        self._change(cell, state=state, since=time.time(), now=True)

    def step(self, cell: Cell, step: StepRecord) -> None:
        self._left.step(cell, step)
        self._change(cell, state="training", training=self._left.trained(cell))

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        self._left.answering(cell, done=done, total=total)
        self._change(cell, state="answering", since=time.time(), done=done, now=True)

    def answered(self, cell: Cell) -> None:
        self._left.answered(cell)
        self._change(cell, done=self._cells[cell.key].done + 1)

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        self._left.finished(cell)
        counts = [record.counts[name] for name in ("scored", "invalid") if name in record.counts]
        done = sum(counts) if counts else None  # A cell that failed or was skipped keeps its answers.
        self._change(cell, state=ending(record), result=outcome(record), done=done, now=True)

    def left_out(self, cell: Cell, why: str) -> None:
        self._left.finished(cell)
        self._change(cell, state=LEFT_OUT, result=why, now=True)

    def _change(
        self,
        cell: Cell,
        *,
        state: str | None = None,
        since: float | None = None,
        done: int | None = None,
        training: float | None = None,
        result: str | None = None,
        now: bool = False,
    ) -> None:
        known = self._cells.get(cell.key)
        if known is None:
            return
        self._cells[cell.key] = replace(
            known,
            state=known.state if state is None else state,
            since=known.since if since is None else since,
            done=known.done if done is None else done,
            training=known.training if training is None else training,
            result=known.result if result is None else result,
        )
        self._write(now=now)

    def _write(self, *, now: bool = False) -> None:
        with self._lock:
            wait = EVERY - (time.monotonic() - self._written)
            if not now and wait > 0:
                self._write_later(wait)
                return
            self._drop_pending()
            self._written = time.monotonic()
            self._run = replace(
                self._run,
                updated=time.time(),
                seconds_left=self._left.seconds,
                cells=tuple(self._cells.values()),
            )
            with contextlib.suppress(OSError, ConfigError):
                live.write(self._results, self._run)

    def _write_later(self, wait: float) -> None:
        if self._pending is None:
            self._pending = threading.Timer(wait, self._write_pending)
            self._pending.daemon = True
            self._pending.start()

    def _write_pending(self) -> None:
        with self._lock:
            if self._pending is threading.current_thread():
                self._write(now=True)

    def _drop_pending(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

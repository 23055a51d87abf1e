"""Live progress: a table on a terminal (`live_table.py`), plain lines elsewhere (`plain_progress.py`), nothing when quiet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord

if TYPE_CHECKING:
    from harness.runner.cells import Cell
    from harness.runner.forecast import Forecast


class Progress:
    """Shows nothing: for tests and `--quiet`, and the interface that the others implement."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def forecast(self, expected: Callable[[], Forecast]) -> None:
        """Say how long all of it may take; `expected` is computed only if it is shown."""

    def so_far(self, verdict: str) -> None:
        """Say the verdict over what has ended, while other cells go on."""

    def plan(self, cells: Sequence[Cell]) -> None: ...

    def state(self, cell: Cell, state: str) -> None: ...

    def step(self, cell: Cell, step: StepRecord) -> None: ...

    def answering(self, cell: Cell, *, done: int, total: int) -> None: ...

    def answered(self, cell: Cell) -> None: ...

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None: ...

    def left_out(self, cell: Cell, why: str) -> None:
        """A planned cell does not run, because it cannot change the answer."""


SKIPPED = "skipped; to finish it, run the same command again"


def ending(record: RunRecord) -> str:
    """The state in which a cell ended: its record's status, but what was skipped on request has not failed."""
    return "skipped" if record.skipped else str(record.status)


def outcome(record: RunRecord) -> str:
    """One cell's result in a few words."""
    if record.skipped:
        return SKIPPED
    if record.status == "failed":
        return f"failed: {record.error}"
    if record.status == "pruned":
        return f"pruned: {record.stopped}"
    if record.status == "partial":
        return f"partial: {record.error} · {_score(record)}"
    if record.missing is not None:
        return f"{record.missing.sentence()} · {_score(record)}"
    return _score(record)


def _score(record: RunRecord) -> str:
    metrics, primary = record.metrics or {}, str(record.task.primary)
    score, valid = metrics.get(primary), metrics.get("valid_extracted")
    if score is None:
        return "no answer could be scored"
    share = f" · valid {valid.mean:.0%}" if valid else ""
    return f"{primary} {score.mean:.3f} (n={score.n}){share}"


def left(seconds: float) -> str:
    """The time left, in the largest fitting unit."""
    if seconds < 100:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left" if seconds < 6000 else f"{seconds / 3600:.1f} h left"


class Several(Progress):
    """Forwards every event to each member, in order."""

    def __init__(self, members: Sequence[Progress]) -> None:
        self._members = members
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        for member in self._members:
            self._entered.enter_context(member)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.__exit__(kind, error, trace)

    def forecast(self, expected: Callable[[], Forecast]) -> None:
        for member in self._members:
            member.forecast(expected)

    def so_far(self, verdict: str) -> None:
        for member in self._members:
            member.so_far(verdict)

    def plan(self, cells: Sequence[Cell]) -> None:
        for member in self._members:
            member.plan(cells)

    def state(self, cell: Cell, state: str) -> None:
        for member in self._members:
            member.state(cell, state)

    def step(self, cell: Cell, step: StepRecord) -> None:
        for member in self._members:
            member.step(cell, step)

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        for member in self._members:
            member.answering(cell, done=done, total=total)

    def answered(self, cell: Cell) -> None:
        for member in self._members:
            member.answered(cell)

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        for member in self._members:
            member.finished(cell, record, fresh=fresh)

    def left_out(self, cell: Cell, why: str) -> None:
        for member in self._members:
            member.left_out(cell, why)

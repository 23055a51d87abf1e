"""Progress over several rounds, told as one run per cell: a cell is finished when it is asked no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner.progress import Progress

if TYPE_CHECKING:
    from harness.runner.cells import Cell


class RaceProgress(Progress):
    """Passes on what happens in a round, and keeps back that a round of a cell is finished."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._ended: dict[str, Cell] = {}
        self.fresh: set[str] = set()
        """Ids of the cells that were asked anything now."""

    def plan(self, cells: Sequence[Cell]) -> None:
        """All cells were planned at once, before the first round."""

    def state(self, cell: Cell, state: str) -> None:
        self._inner.state(cell, state)

    def step(self, cell: Cell, step: StepRecord) -> None:
        self._inner.step(cell, step)

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        self._inner.answering(cell, done=done, total=total)

    def answered(self, cell: Cell) -> None:
        self._inner.answered(cell)

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        self._ended[cell.id] = cell
        if fresh:
            self.fresh.add(cell.id)
        self._inner.state(cell, "waiting")

    def left_out(self, cell: Cell, why: str) -> None:
        self._inner.left_out(cell, why)

    def close(self, records: Mapping[str, RunRecord]) -> None:
        """Say of every cell how it ended."""
        for id_, cell in self._ended.items():
            if id_ in records:
                self._inner.finished(cell, records[id_], fresh=id_ in self.fresh)
        self._ended = {id_: cell for id_, cell in self._ended.items() if id_ not in records}


class StageProgress(RaceProgress):
    """Cells that run in stages, each of them once: only that all were planned at once is different."""

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        self._inner.finished(cell, record, fresh=fresh)

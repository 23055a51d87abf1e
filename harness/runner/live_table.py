"""The table on a terminal: the state of every cell, and a bar over all of them with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.core import terminal
from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner.progress import Progress, ending, left, outcome
from harness.runner.states import ENDED, LEFT_OUT, in_words
from harness.runner.time_left import TimeLeft

if TYPE_CHECKING:
    from rich.console import Group

    from harness.runner.cells import Cell
    from harness.runner.forecast import Forecast

BAR = 30
"""Characters of the bar over all cells."""
SILENT = 5.0
"""Seconds in one state without news after which its age is shown, so that the table never looks frozen."""


@dataclass
class _LiveRow:
    """A cell in the live table. Times are of `time.monotonic`, in seconds."""

    cell: Cell
    state: str = "waiting"
    text: str = ""
    dev: float | None = None
    result: str = ""
    since: float = 0.0
    """When the state began."""
    news: float = 0.0
    """When the last news came."""
    stage: int | None = None
    first_epoch: float = 0.0
    stage_began: float = 0.0
    """The epoch of the stage's first observed step, and when that step was."""
    done: int = 0
    first_done: int = 0
    total: int = 0
    """Number of answers, how many existed when answering began, and how many there will be."""


class LiveProgress(Progress):
    """A table that is redrawn: the state, progress, rate, time left and dev score of each cell; above it, the
    total."""

    def __init__(self) -> None:
        from rich.live import Live

        self._rows: dict[str, _LiveRow] = {}
        self._time_left = TimeLeft()
        self._live = Live(
            console=terminal.console(stderr=True), get_renderable=self._table, refresh_per_second=4
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def _table(self) -> Group:
        from rich.console import Group
        from rich.table import Table

        if not self._rows:
            return Group()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("recipe", "seed", "state", "progress", "dev"):
            table.add_column(name, justify="right" if name == "seed" else "left")
        table.add_column("result", overflow="fold")
        for row in self._rows.values():
            cell = row.cell
            labels = "" if cell.labels is None else f" (n={cell.labels})"
            style = {"done": "green", "partial": "yellow", "failed": "red", "waiting": "dim"}.get(
                row.state, ""
            )
            dev = "" if row.dev is None else f"{row.dev:.3f}"
            table.add_row(
                cell.recipe.name + labels,
                str(cell.seed),
                in_words(row.state),
                row.text + _age(row),
                dev,
                row.result,
                style=style,
            )
        return Group(self._whole(), table)

    def _whole(self) -> str:
        """A bar over all cells, and the time that is left once something has been measured."""
        share, seconds = self._time_left.share, self._time_left.seconds
        full = round(BAR * share)
        rest = "" if seconds is None else f" · {left(seconds)}"
        return f"{'━' * full}{'─' * (BAR - full)} {share:.0%}{rest}"

    def forecast(self, expected: Callable[[], Forecast]) -> None:
        guess = expected()
        self._time_left.expect({key: one.seconds for key, one in guess.guesses.items()})
        if guess.sentence:
            self._live.console.print(guess.sentence, markup=False, highlight=False)

    def so_far(self, verdict: str) -> None:
        self._live.console.print(verdict, markup=False, highlight=False)

    def plan(self, cells: Sequence[Cell]) -> None:
        self._time_left.plan(cells)
        for cell in cells:
            self._rows[cell.key] = _LiveRow(cell)

    def state(self, cell: Cell, state: str) -> None:
        self._time_left.state(cell, state)
        row = self._rows[cell.key]
        row.state, row.since, row.news = state, time.monotonic(), time.monotonic()

    def step(self, cell: Cell, step: StepRecord) -> None:
        self._time_left.step(cell, step)
        row = self._rows[cell.key]
        row.news = time.monotonic()
        row.text = (
            f"epoch {step.epoch:.2f} · loss {step.loss:.3f} · {step.tokens / step.seconds:.0f} tok/s"
            + self._training_left(cell, step)
        )
        row.state = "training"
        row.dev = step.dev_score if step.dev_score is not None else row.dev

    def _training_left(self, cell: Cell, step: StepRecord) -> str:
        """By the share of the stage's epochs done since its first observed step."""
        row, stage = self._rows[cell.key], int(step.stage or 0)
        if row.stage != stage:
            row.stage, row.first_epoch, row.stage_began = stage, step.epoch, time.monotonic()
            return ""
        epochs = cell.recipe.weights[stage].num_train_epochs
        done = step.epoch - row.first_epoch
        if epochs is None or done <= 0:
            return ""
        return " · " + left((time.monotonic() - row.stage_began) * max(epochs - step.epoch, 0.0) / done)

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        self._time_left.answering(cell, done=done, total=total)
        row = self._rows[cell.key]
        row.state, row.done, row.first_done, row.total = "answering", done, done, total
        row.since = row.news = time.monotonic()
        row.text = f"{done}/{total}"

    def answered(self, cell: Cell) -> None:
        self._time_left.answered(cell)
        row = self._rows[cell.key]
        row.news = time.monotonic()
        row.done += 1
        rate = (row.done - row.first_done) / max(time.monotonic() - row.since, 1e-9)
        rest = left((row.total - row.done) / rate)
        row.text = f"{row.done}/{row.total} · {rate:.1f}/s · {rest}"

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        self._time_left.finished(cell)
        text = f"{record.seconds:.0f} s" if fresh else "already done"
        row = self._rows[cell.key]
        row.state, row.text, row.result = ending(record), text, outcome(record)

    def left_out(self, cell: Cell, why: str) -> None:
        self._time_left.finished(cell)
        row = self._rows[cell.key]
        row.state, row.text, row.result = LEFT_OUT, "", why


def _age(row: _LiveRow) -> str:
    """How long there has been no news from a running cell."""
    silent = time.monotonic() - row.news
    if row.state == "waiting" or row.state in ENDED or silent < SILENT:
        return ""
    return f"{' · ' if row.text else ''}{silent:.0f} s"

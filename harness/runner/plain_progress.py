"""Progress as lines in a log: what a cell does, and every ten seconds that it still does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.core import terminal
from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner.progress import Progress, left, outcome
from harness.runner.states import ENDED, in_words
from harness.runner.time_left import TimeLeft

if TYPE_CHECKING:
    from harness.runner.cells import Cell
    from harness.runner.forecast import Forecast

TICK = 1.0
"""Seconds between two looks at how long a log has been silent."""


@dataclass
class _AtWork:
    """What a cell is doing, and when it began that and was last heard of, by `time.monotonic`."""

    cell: Cell
    state: str
    since: float
    news: float


class PlainProgress(Progress):
    """A line per change of state and every 10 seconds in between, whether there is news or not: for CI logs."""

    def __init__(self, every: float = 10.0) -> None:
        self._every, self._last = every, 0.0
        self._at_work: dict[str, _AtWork] = {}
        self._left = threading.Event()
        self._counts: dict[str, tuple[int, int]] = {}
        """Answers that exist and that there will be, by cell: several cells may be answering at once."""
        self._time_left = TimeLeft()

    def __enter__(self) -> Self:
        self._left = threading.Event()
        self._ticking = threading.Thread(target=self._tick, args=(self._left,), daemon=True)
        self._ticking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._ticking.join()

    def _tick(self, left: threading.Event) -> None:
        """The first answers of a batch come together, after minutes on a busy machine: until then nothing else is said."""
        while not left.wait(TICK):
            self.still()

    def still(self) -> None:
        """Say what the cell that was longest not heard of is still doing, if the log has been silent for long."""
        at_work = list(self._at_work.values())
        if not at_work or not self._due():
            return
        one = min(at_work, key=lambda work: work.news)
        one.news = time.monotonic()
        done, total = self._counts.get(one.cell.key, (0, 0))
        count = f"answered {done}/{total}" if one.state == "answering" else in_words(one.state)
        self._say(one.cell, f"{count} … {one.news - one.since:.0f} s")

    def _heard(self, cell: Cell, state: str) -> None:
        now, before = time.monotonic(), self._at_work.get(cell.key)
        if state == "waiting" or state in ENDED:
            self._at_work.pop(cell.key, None)
        elif before is None or before.state != state:
            self._at_work[cell.key] = _AtWork(cell, state, now, now)
        else:
            before.news = now

    def _training_left(self, cell: Cell) -> str:
        """The time left of a training by its own steps, as a part of a line; empty where the time of all runs is said."""
        seconds = None if self._time_left.guessed else self._time_left.training(cell)
        return f" · {left(seconds)} of this training" if seconds else ""

    def _rest(self) -> str:
        """The time left for all cells, as a part of a line; empty where no guess was made or nothing is left."""
        seconds = self._time_left.seconds if self._time_left.guessed else None
        return f" · {left(seconds)} for all runs" if seconds else ""

    def _say(self, cell: Cell, text: str) -> None:
        self._last = time.monotonic()
        terminal.say(f"{cell.id}: {text}", error=True)

    def _due(self) -> bool:
        return time.monotonic() - self._last >= self._every

    def forecast(self, expected: Callable[[], Forecast]) -> None:
        guess = expected()
        self._time_left.expect({key: one.seconds for key, one in guess.guesses.items()})
        if guess.sentence:
            terminal.say(guess.sentence, error=True)

    def so_far(self, verdict: str) -> None:
        terminal.say(verdict, error=True)

    def plan(self, cells: Sequence[Cell]) -> None:
        count = "1 run" if len(cells) == 1 else f"{len(cells)} runs"
        terminal.say(f"{count}; finished ones are not repeated", error=True)
        self._time_left.plan(cells)

    def state(self, cell: Cell, state: str) -> None:
        self._time_left.state(cell, state)
        self._heard(cell, state)
        if state != "waiting":  # between two rounds of a comparison there is nothing to say of each cell
            self._say(cell, in_words(state))

    def step(self, cell: Cell, step: StepRecord) -> None:
        self._time_left.step(cell, step)
        self._heard(cell, "training")
        if step.dev_loss is not None or step.dev_score is not None or self._due():
            dev = "" if step.dev_loss is None else f" · dev loss {step.dev_loss:.3f}"
            dev += "" if step.dev_score is None else f" · dev score {step.dev_score:.3f}"
            dev += "" if step.dev_part is None else f" of {step.dev_part}"
            rest = self._rest() or self._training_left(cell)
            self._say(cell, f"epoch {step.epoch:.2f} step {step.step} loss {step.loss:.3f}{dev}{rest}")

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        self._counts[cell.key] = (done, total)
        self._time_left.answering(cell, done=done, total=total)
        self._heard(cell, "answering")
        self._say(cell, f"answering {total} examples" + (f", {done} already answered" if done else ""))

    def answered(self, cell: Cell) -> None:
        before, total = self._counts[cell.key]
        done = before + 1
        self._counts[cell.key] = (done, total)
        self._time_left.answered(cell)
        self._heard(cell, "answering")
        if self._due():
            self._say(cell, f"answered {done}/{total}{self._rest()}")

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        seconds = f" · {record.seconds:.0f} s" if fresh else " · already done"
        self._time_left.finished(cell)
        self._at_work.pop(cell.key, None)
        self._say(cell, outcome(record) + seconds + (self._rest() if fresh else ""))

    def left_out(self, cell: Cell, why: str) -> None:
        self._at_work.pop(cell.key, None)
        self._time_left.finished(cell)
        self._say(cell, f"left out: {why}")

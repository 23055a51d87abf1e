"""How much longer an experiment will take, from what its cells have taken so far."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.protocols import StepRecord

if TYPE_CHECKING:
    from harness.runner.cells import Cell


@dataclass
class _Work:
    """One cell. Times are of `time.monotonic`, in seconds."""

    trains: bool
    epochs: tuple[float | None, ...]
    total: int
    done: int = 0
    began: float | None = None
    trained: float = 0.0
    """Share of the training that is done."""
    trained_from: float = 0.0
    training_began: float | None = None
    training_seconds: float | None = None
    answering_began: float | None = None
    answered_now: int = 0
    answering_seconds: float = 0.0
    at_work: bool = False
    over: bool = False

    @property
    def per_answer(self) -> float | None:
        return self.answering_seconds / self.answered_now if self.answered_now else None


class TimeLeft:
    """Receives the calls of a `Progress`; `seconds` is None until something has been measured."""

    def __init__(self) -> None:
        self._work: dict[str, _Work] = {}

    def plan(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            settings = [stage.config().get("num_train_epochs") for stage in cell.recipe.weights]
            epochs = tuple(value if isinstance(value, float) else None for value in settings)
            self._work[cell.key] = _Work(
                trains=bool(cell.recipe.weights), epochs=epochs, total=len(cell.all_examples)
            )

    def state(self, cell: Cell, state: str) -> None:
        work = self._work[cell.key]
        now = time.monotonic()
        work.began = now if work.began is None else work.began
        work.at_work = state != "waiting"
        if state == "waiting":  # a round ended
            work.answering_began = None

    def step(self, cell: Cell, step: StepRecord) -> None:
        work, now = self._work[cell.key], time.monotonic()
        share = self._share(work, step)
        if work.training_began is None:
            work.training_began, work.trained_from = now, share
        work.trained = share
        work.training_seconds = now - work.training_began

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        work = self._work[cell.key]
        work.trained = 1.0
        work.done, work.answering_began = done, time.monotonic()

    def answered(self, cell: Cell) -> None:
        work, now = self._work[cell.key], time.monotonic()
        work.done += 1
        work.answered_now += 1
        if work.answering_began is not None:
            work.answering_seconds += now - work.answering_began
            work.answering_began = now

    def finished(self, cell: Cell) -> None:
        work = self._work[cell.key]
        work.over, work.at_work = True, False

    def trained(self, cell: Cell) -> float:
        """Share of a cell's training that is done."""
        return self._work[cell.key].trained

    @property
    def share(self) -> float:
        """How much of the work is done, 0 to 1; training counts as much as answering."""
        parts = [self._done(work) for work in self._work.values()]
        return statistics.fmean(parts) if parts else 0.0

    @property
    def seconds(self) -> float | None:
        """The time left for all cells, with as many side by side as are at work now; anything not measured yet is
        assumed to be like the others."""
        left = [work for work in self._work.values() if not work.over]
        if not left:
            return 0.0
        lengths = [self._seconds(work) for work in left]
        known = [length for length in lengths if length is not None]
        if len(known) < len(lengths):
            return None
        side_by_side = max(1, sum(work.at_work for work in left))
        return max(sum(known) / side_by_side, *known)

    def _seconds(self, work: _Work) -> float | None:
        """The time left for one cell; None if nothing like it has been measured."""
        speeds = [one.per_answer for one in self._work.values() if one.per_answer is not None]
        if not speeds:
            return None
        training = 0.0
        if work.trains and work.trained < 1.0:
            lengths = [length for one in self._work.values() if (length := _training_length(one)) is not None]
            own = _training_length(work)
            if own is None and not lengths:
                return None
            training = (statistics.fmean(lengths) if own is None else own) * (1 - work.trained)
        speed = work.per_answer or statistics.fmean(speeds)
        return training + speed * max(work.total - work.done, 0)

    @staticmethod
    def _share(work: _Work, step: StepRecord) -> float:
        """By the epochs of all stages; a stage without a number of epochs counts as one."""
        lengths = [epochs or 1.0 for epochs in work.epochs] or [1.0]
        stage = min(int(step.stage or 0), len(lengths) - 1)
        done = sum(lengths[:stage]) + min(step.epoch, lengths[stage])
        return min(1.0, done / sum(lengths))

    @staticmethod
    def _done(work: _Work) -> float:
        if work.over:
            return 1.0
        answered = min(1.0, work.done / work.total) if work.total else 0.0
        return (work.trained + answered) / 2 if work.trains else answered


def _training_length(work: _Work) -> float | None:
    """Seconds of the whole training, extrapolated from the share that was observed."""
    if not work.training_seconds or work.trained <= work.trained_from:
        return None
    return work.training_seconds / (work.trained - work.trained_from)

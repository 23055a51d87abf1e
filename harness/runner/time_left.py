"""How much longer an experiment will take, from what its cells have taken so far."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.protocols import StepRecord

if TYPE_CHECKING:
    from harness.runner.cells import Cell


OBSERVED = 0.1
"""Share of a training that must have been observed before it corrects the guesses of others."""


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
    in_rounds: bool = False
    """Whether it has waited for other cells between two rounds, so that its duration is not its own."""
    took: float | None = None
    """Seconds of the whole cell, if it was measured."""
    guess: float | None = None
    """Seconds that were expected of it before anything was measured."""

    @property
    def per_answer(self) -> float | None:
        return self.answering_seconds / self.answered_now if self.answered_now else None


class TimeLeft:
    """Receives the calls of a `Progress`; `seconds` is None until something has been measured."""

    def __init__(self) -> None:
        self._work: dict[str, _Work] = {}
        self._guesses: dict[str, float] = {}

    @property
    def guessed(self) -> bool:
        """Whether the time of any cell was guessed beforehand."""
        return bool(self._guesses)

    def expect(self, guesses: Mapping[str, float]) -> None:
        """Seconds that cells are expected to take, by key. What has been measured tells by which factor to correct
        them."""
        self._guesses |= guesses

    def plan(self, cells: Sequence[Cell]) -> None:
        for cell in cells:
            self._work[cell.key] = self._planned(cell)

    def _planned(self, cell: Cell) -> _Work:
        settings = [stage.config().get("num_train_epochs") for stage in cell.recipe.weights]
        return _Work(
            trains=bool(cell.recipe.weights),
            epochs=tuple(value if isinstance(value, float) else None for value in settings),
            total=len(cell.all_examples),
            guess=self._guesses.get(cell.key),
        )

    def _of(self, cell: Cell) -> _Work:
        """A cell's work; one that was not planned is added."""
        if cell.key not in self._work:
            self._work[cell.key] = self._planned(cell)
        return self._work[cell.key]

    def state(self, cell: Cell, state: str) -> None:
        work = self._of(cell)
        now = time.monotonic()
        work.began = now if work.began is None else work.began
        work.at_work = state != "waiting"
        if state == "waiting":  # a round ended
            work.answering_began = None
            work.in_rounds = True

    def step(self, cell: Cell, step: StepRecord) -> None:
        work, now = self._of(cell), time.monotonic()
        share = self._share(work, step)
        if work.training_began is None:
            work.training_began, work.trained_from = now, share
        work.trained = share
        work.training_seconds = now - work.training_began

    def answering(self, cell: Cell, *, done: int, total: int) -> None:
        work = self._of(cell)
        work.trained = 1.0
        work.done, work.answering_began = done, time.monotonic()

    def answered(self, cell: Cell) -> None:
        work, now = self._of(cell), time.monotonic()
        work.done += 1
        work.answered_now += 1
        if work.answering_began is not None:
            work.answering_seconds += now - work.answering_began
            work.answering_began = now

    def finished(self, cell: Cell) -> None:
        work = self._of(cell)
        work.over, work.at_work = True, False
        measured = work.answered_now or work.training_seconds
        if work.began is not None and measured and not work.in_rounds:
            work.took = time.monotonic() - work.began

    def trained(self, cell: Cell) -> float:
        """Share of a cell's training that is done."""
        return self._of(cell).trained

    def training(self, cell: Cell) -> float | None:
        """Seconds left of a cell's training, by its own steps; None until two were seen."""
        work = self._of(cell)
        length = _training_length(work)
        return None if length is None else length * (1 - work.trained)

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
            return 0.0 if self._work else None  # nothing is planned yet
        lengths = [self._seconds(work) for work in left]
        known = [length for length in lengths if length is not None]
        if len(known) < len(lengths):
            return None
        side_by_side = max(1, sum(work.at_work for work in left))
        return max(sum(known) / side_by_side, *known)

    def _seconds(self, work: _Work) -> float | None:
        """The time left for one cell; None if nothing like it has been measured.

        A cell that has begun goes on as it began. Of others the guess is better than the mean of what has been measured,
        because prompts differ in length by recipe.
        """
        begun = work.per_answer is not None or _training_length(work) is not None
        guessed = self._corrected_guess(work)
        if guessed is not None and not begun:
            return guessed
        measured = self._measured(work)
        return guessed if measured is None else measured

    def _corrected_guess(self, work: _Work) -> float | None:
        """What is left of a cell's guess, times the slowness of what has been measured: of cells that train for one that
        trains, else of any."""
        ratios = [
            (one.trains, length, one.guess)
            for one in self._work.values()
            if one.guess and (length := _whole_length(one)) is not None
        ]
        ratios = [ratio for ratio in ratios if ratio[0] == work.trains] or ratios
        if not work.guess or not ratios:
            return None
        slowness = sum(length for _, length, _ in ratios) / sum(guess for _, _, guess in ratios)
        return work.guess * slowness * (1 - self._done(work))

    def _measured(self, work: _Work) -> float | None:
        """By the seconds of its own answers and steps; of others' where it has none yet."""
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


def _whole_length(work: _Work) -> float | None:
    """Seconds of a whole cell: of one that has ended, or of one whose training is far enough to extrapolate from."""
    if work.took is not None or work.over:
        return work.took
    return _training_length(work) if work.trained - work.trained_from >= OBSERVED else None

"""From the runner's events to a tracker, whose failures do not affect the run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from harness.core.kinds import Spec, build
from harness.core.protocols import StepRecord
from harness.core.secrets import masked
from harness.results.records.run import AnswerRecord, RunRecord, TrainRecord
from harness.runner.loggers._base import About, Logger, RunLog
from harness.runner.progress import Progress, Several

if TYPE_CHECKING:
    from harness.runner.cells import Cell

Returned = TypeVar("Returned")
log = logging.getLogger(__name__)
T = TypeVar("T")


def watched(progress: Progress, names: Sequence[Spec], results: Path) -> Progress:
    """`progress` plus every tracker named; just `progress` if there are none.

    Raises:
        ConfigError: an unknown tracker, or one whose package is missing.
    """
    loggers: list[Logger] = [build("loggers", name) for name in names]
    for logger in loggers:
        logger.check()
    return Several([progress, *(Feed(logger, results) for logger in loggers)]) if loggers else progress


class Feed(Progress):
    """Reports to one tracker every run that is executed now; runs complete before are not repeated."""

    def __init__(self, logger: Logger, results: Path) -> None:
        self._logger, self._results = logger, results
        self._open: dict[str, RunLog] = {}
        self._places: dict[str, tuple[str, int, int]] = {}
        self._broken = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._open):
            self._safely(self._open.pop(key).end, {}, failed=True)

    def __enter__(self) -> Self:
        return self

    def state(self, cell: Cell, state: str) -> None:
        self._run(cell)

    def step(self, cell: Cell, step: StepRecord) -> None:
        if run := self._run(cell):
            self._safely(run.step, self._number(cell, step), _values(step))

    def finished(self, cell: Cell, record: RunRecord, *, fresh: bool) -> None:
        run = self._run(cell) if fresh else None
        if run is not None:
            del self._open[cell.key]
            self._safely(run.end, _result(record), failed=record.status == "failed")

    def _run(self, cell: Cell) -> RunLog | None:
        if cell.key not in self._open and not self._broken:
            described = cell.describe().raw
            config = dict(
                _flat({name: described[name] for name in ("recipe", "seed", "limit", "labels", "key")})
            )
            config |= {"task": cell.task.name, "model": cell.model}
            about = About(id=cell.id, task=cell.task.name, config=config, results=self._results)
            started = self._safely(self._logger.start, about)
            if started is not None:
                self._open[cell.key] = started
        return None if self._broken else self._open.get(cell.key)

    def _number(self, cell: Cell, step: StepRecord) -> int:
        """Steps counted through all stages of a run."""
        stage, offset, last = self._places.get(cell.key, (step.stage, 0, 0))
        if step.stage != stage:
            offset += last
        self._places[cell.key] = (step.stage, offset, step.step)
        return offset + step.step

    def _safely(self, call: Callable[..., T], *given: object, **named: object) -> T | None:
        if self._broken:
            return None
        try:
            # Trackers print greetings to stdout, which belongs to `--json`.
            with redirect_stdout(sys.stderr):
                return call(*given, **named)
        except Exception as error:
            self._broken = True
            log.warning(
                "%s failed and is dropped; the run continues: %s: %s",
                self._logger.name(), type(error).__name__, error,
            )  # fmt: skip
            return None


def _values(step: StepRecord) -> dict[str, float]:
    values = {
        "train/loss": step.loss,
        "train/learning_rate": step.learning_rate,
        "train/grad_norm": step.grad_norm,
        "train/epoch": step.epoch,
        "train/tokens_per_second": step.tokens / step.seconds if step.seconds else None,
        "dev/loss": step.dev_loss,
        "dev/score" if step.dev_part is None else "dev/score_of_part": step.dev_score,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def _result(record: RunRecord) -> dict[str, float]:
    answer, train = record.answer or AnswerRecord(), record.train or TrainRecord()
    costs = {
        "seconds": record.seconds,
        "peak_memory_bytes": record.peak_memory_bytes,
        "latency_p50": answer.latency_p50,
        "latency_p95": answer.latency_p95,
        "tokens_in_mean": answer.tokens_in_mean,
        "tokens_out_mean": answer.tokens_out_mean,
        "train_seconds": train.seconds,
    }
    scores = {f"test/{name}": metric.mean for name, metric in (record.metrics or {}).items()}
    return scores | {f"cost/{name}": float(value) for name, value in costs.items() if value is not None}


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    """`{a: {b: 1}}` as `a.b` → 1; other values become text, and None is omitted."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _flat(item, f"{name}.{index}")
    elif value is not None:
        yield name, value if isinstance(value, int | float | bool) else masked(str(value))

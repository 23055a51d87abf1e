"""This process, one job after another: the default, and the reference for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from harness.core.errors import WorkerLostError
from harness.core.execution import Executor, Job, Result, What, Worker


@dataclass(frozen=True, kw_only=True)
class Local(Executor):
    """Jobs run in order; a job that kills the process ends the command."""

    in_process: ClassVar[bool] = True

    def run(
        self,
        jobs: Sequence[Job[What]],
        open_worker: Callable[[], Worker[What, Result]],
        notify: Callable[[int, object], None],
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        worker = open_worker()
        for position, job in enumerate(jobs):
            yield position, worker(job.what, partial(notify, position))

"""This very process, one job after another: the default, and what the others must equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from harness.core.execution import Executor, Job, Worker


@dataclass(frozen=True, kw_only=True)
class Local(Executor):
    """Jobs run in order; a job that kills the process ends the command."""

    in_process: ClassVar[bool] = True

    def run(
        self, jobs: Sequence[Job], open_worker: Callable[[], Worker], notify: Callable[[int, Any], None]
    ) -> Iterator[tuple[int, Any]]:
        worker = open_worker()
        for position, job in enumerate(jobs):
            yield position, worker(job.what, partial(notify, position))

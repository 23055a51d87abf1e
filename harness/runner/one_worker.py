"""This process, with one worker for several rounds or stages of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from harness.core.errors import WorkerLostError
from harness.core.execution import Executor, Job, Result, What, Worker
from harness.runner.executors.local import Local


@dataclass(frozen=True, kw_only=True)
class OneWorker(Local):
    """This process, with one worker for all rounds, so that a model that is loaded stays loaded."""

    _kept: list[object] = field(default_factory=list)

    def run(
        self,
        jobs: Sequence[Job[What]],
        open_worker: Callable[[], Worker[What, Result]],
        notify: Callable[[int, object], None],
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        def kept() -> Worker[What, Result]:
            if not self._kept:
                self._kept.append(open_worker())
            worker: Worker[What, Result] = self._kept[0]  # type: ignore[assignment]
            return worker

        return super().run(jobs, kept, notify)


def keeping(executor: Executor | None) -> Executor:
    """An executor for several rounds: this process keeps its worker, others are used as they are."""
    return OneWorker() if executor is None or isinstance(executor, Local) else executor

"""Where work is done: jobs go to workers, and results come back to the process that asked.

An executor knows nothing of cells: it opens one worker per place (process, machine), hands each
one job after another, and if a worker is lost, gives its job to another one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from harness.core.errors import WorkerLostError
from harness.core.kinds import Kind

What = TypeVar("What")
Result = TypeVar("Result")
Notify = Callable[[object], None]
Worker = Callable[[What, Notify], Result]
"""(what to do, where to report progress) → result. Held by its place, so that it may keep a model."""

MAX_LOST = 3
"""How many workers one job may take down before it counts as the job's fault."""


@dataclass(frozen=True, kw_only=True)
class Job(Generic[What]):
    """Something picklable to do; jobs of one `group` share what a worker keeps (a loaded model)."""

    what: What
    group: str = ""
    long: bool = False
    """Whether it takes many times as long as others, as a training does."""


@dataclass(frozen=True, kw_only=True)
class Executor(Kind):
    """`argument` names the field that `--executor KIND:VALUE` fills."""

    argument: ClassVar[str] = ""
    in_process: ClassVar[bool] = False
    """Whether jobs run in the process that asks."""

    @abstractmethod
    def run(
        self,
        jobs: Sequence[Job[What]],
        open_worker: Callable[[], Worker[What, Result]],
        notify: Callable[[int, object], None],
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        """Position and result of every job, each once, in the order they finish.

        The result is a `WorkerLostError` if a job lost `MAX_LOST` workers. What a worker raises is raised
        here and stops the others.
        """


class JobQueue(Generic[What]):
    """Jobs that wait, the cheapest first. A worker gets one of the group that it has just worked on, if any is left."""

    def __init__(self, jobs: Sequence[Job[What]]) -> None:
        self.jobs = jobs
        self._waiting = list(range(len(jobs)))
        self._lost = [0] * len(jobs)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, last: str | None, *, from_end: bool = False, longest_first: bool = False) -> int | None:
        """The next job's position: of group `last`, else the first; None when none waits.

        Args:
            from_end: The last instead of the first.
            longest_first: The last if the first is a long one: of the jobs that are left, the most expensive starts first.
        """
        if not self._waiting:
            return None
        same = [one for one in self._waiting if self.jobs[one].group == last]
        order = same or self._waiting
        position = order[-1 if from_end or (longest_first and self.jobs[order[0]].long) else 0]
        self._waiting.remove(position)
        return position

    def lost(self, position: int, reason: str) -> WorkerLostError | None:
        """The worker of a job died: the job waits again, first in line; or an error if its workers died too
        often."""
        self._lost[position] += 1
        if self._lost[position] >= MAX_LOST:
            return WorkerLostError(f"{MAX_LOST} workers died on it, the last one: {reason}")
        self._waiting.insert(0, position)
        return None

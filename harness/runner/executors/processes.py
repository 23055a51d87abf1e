"""Several processes of this machine: `processes:4`.

Each worker is a fresh interpreter with a pipe of its own. A worker that dies (kill -9, out of
memory, a crash in native code) takes down nothing but itself: its job goes to a new worker. A worker whose
parent has died stops at its next message.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import ClassVar, Generic

from harness.core import notices
from harness.core.errors import WorkerLostError
from harness.core.execution import Executor, Job, JobQueue, Result, What, Worker
from harness.core.kinds import knob
from harness.core.secrets import hidden

_CONTEXT = get_context("spawn")
"""A fork would copy locks and threads of the libraries; CUDA refuses it."""


@dataclass(frozen=True, kw_only=True)
class Processes(Executor):
    """`workers` processes. Cores are divided among them unless OMP_NUM_THREADS says otherwise; GPUs are
    assigned in turn, one per worker."""

    argument: ClassVar[str] = "workers"

    workers: int = knob(0, doc="how many; 0 is one per GPU, or two without any")

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError("workers must not be negative")

    def run(
        self,
        jobs: Sequence[Job[What]],
        open_worker: Callable[[], Worker[What, Result]],
        notify: Callable[[int, object], None],
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        line = JobQueue(jobs)
        count = min(self.workers or max(len(_gpus()), 2), len(jobs))
        slots = [_Slot(number, count, open_worker) for number in range(count)]
        try:
            while line or any(slot.position is not None for slot in slots):
                for slot in slots:
                    slot.work_on(line)
                busy = [slot for slot in slots if slot.position is not None]
                ready = wait([slot.pipe for slot in busy])
                for slot in busy:
                    if slot.pipe in ready:
                        yield from slot.hear(line, notify)
        finally:
            for slot in slots:
                slot.stop()


@dataclass
class _Slot(Generic[What, Result]):
    """A worker process and what it is doing; started when there is something to do."""

    number: int
    count: int
    open_worker: Callable[[], Worker[What, Result]]
    position: int | None = None
    group: str | None = None
    process: SpawnProcess | None = None
    pipe: Connection = field(init=False)

    def work_on(self, line: JobQueue[What]) -> None:
        """Take a job if this worker has none. The last of several workers starts with the most expensive ones, and the
        others with the cheapest, but of trainings the longest comes first everywhere: otherwise one worker ends alone
        with a long training while the others have nothing to do."""
        if self.position is not None:
            return
        several = self.count > 1
        is_last = several and self.number == self.count - 1
        taken = line.take(self.group, from_end=is_last, longest_first=several)
        if taken is None:
            return
        if self.process is None or not self.process.is_alive():
            self._start()
        self.position, self.group = taken, line.jobs[taken].group
        try:
            self.pipe.send(line.jobs[taken].what)
        except OSError:
            # Died while idle: reading its pipe will show it, and the job is queued again.
            return

    def hear(
        self, line: JobQueue[What], notify: Callable[[int, object], None]
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        """One message of the worker; a closed pipe means that it died."""
        position = self.position
        assert position is not None
        try:
            word, value = self.pipe.recv()
        except (EOFError, OSError):
            self.stop()
            lost = line.lost(position, f"exit code {self._exit_code}")
            if lost is not None:
                yield position, lost
            return
        if word == "event":
            notify(position, value)
            return
        self.position = None
        if word == "raised":
            raise value
        yield position, value

    def stop(self) -> None:
        """Everything a worker has written is either complete or recognized as truncated, so the worker need
        not be asked."""
        self.position = self.group = None
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self._exit_code = self.process.exitcode
            self.process.close()
            self.process = None

    def _start(self) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        gpus = _gpus()
        variables = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // self.count))}
        variables |= {"CUDA_VISIBLE_DEVICES": gpus[self.number % len(gpus)]} if gpus else {}
        arguments = (theirs, variables, self.open_worker)
        self.process = _CONTEXT.Process(target=_serve, args=arguments, daemon=True)
        self.process.start()
        theirs.close()


def _serve(
    pipe: Connection, variables: dict[str, str], open_worker: Callable[[], Worker[What, Result]]
) -> None:
    """What a worker process does until its pipe closes."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = os.environ.get("OMP_NUM_THREADS")
    os.environ.update(variables | ({"OMP_NUM_THREADS": given} if given else {}))
    notices.to_screen()

    def tell(word: str, value: object) -> None:
        try:
            pipe.send((word, value))
        except OSError:
            os._exit(1)

    try:
        worker = open_worker()
        while True:
            try:
                job = pipe.recv()
            except (EOFError, OSError):
                return
            tell("done", worker(job, lambda event: tell("event", event)))
    except Exception as error:
        tell("raised", _portable(error))


def _portable(error: Exception) -> Exception:
    """The error, or its text if it cannot travel: `multiprocessing` would print its traceback as it is, keys included."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(hidden(f"{type(error).__name__}: {error}"))
    return error


def _gpus() -> list[str]:
    """Names of the visible GPUs, found without importing torch in the parent."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip() not in ("", "-1")]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(folder.iterdir())] if folder.is_dir() else []

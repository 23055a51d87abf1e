"""A Ray cluster: `ray` (this machine, or the cluster this process is part of) or `ray:ADDRESS`.

Each worker is an actor that keeps its base model. A lost node takes its workers down with it; their jobs go to
the others, and new workers start as nodes join. Ray is an optional extra.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from harness.core import notices
from harness.core.errors import ConfigError, WorkerLostError
from harness.core.execution import Executor, Job, JobQueue, Result, What, Worker
from harness.core.kinds import knob

TICK = 0.5
"""Seconds between checks for worker reports."""
PATIENCE = 300.0
"""Seconds without any worker (an autoscaler may be starting machines) before giving up."""


@dataclass(frozen=True, kw_only=True)
class Ray(Executor):
    """`cpus`, `gpus` and `memory_gb` are what one worker needs; as many start as the cluster holds."""

    paper = "Moritz et al. 2018, Ray: A Distributed Framework for Emerging AI Applications"
    argument: ClassVar[str] = "address"

    address: str = knob("", doc="of the head node; empty: RAY_ADDRESS, or a cluster on this machine")
    cpus: float = knob(1.0, doc="cores per worker")
    gpus: float | None = knob(None, doc="GPUs per worker; None: one if the cluster has any")
    memory_gb: float = knob(0.0, doc="memory per worker that Ray reserves, in GB; 0: none")

    def run(
        self,
        jobs: Sequence[Job[What]],
        open_worker: Callable[[], Worker[What, Result]],
        notify: Callable[[int, object], None],
    ) -> Iterator[tuple[int, Result | WorkerLostError]]:
        ray = _ray()
        ours = not ray.is_initialized()
        if ours:
            _connect(ray, self.address)
        crew = _Crew(ray, self, open_worker, JobQueue(jobs), notify)
        try:
            yield from crew.results()
        finally:
            crew.dismiss()
            if ours:
                ray.shutdown()

    def needs(self, resources: dict[str, float]) -> dict[str, float]:
        """What one worker requests from a cluster with these resources, in Ray's names."""
        gpus = self.gpus if self.gpus is not None else float(resources.get("GPU", 0) >= 1)
        return {"CPU": self.cpus, "GPU": gpus, "memory": self.memory_gb * 1e9}


class _Slot:
    """One actor. It gets its first job once it has been placed on a node."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.waits_for = actor.ready.remote()
        self.position: int | None = None
        self.group: str | None = None


class _Crew(Generic[What, Result]):
    def __init__(
        self,
        ray: Any,
        settings: Ray,
        open_worker: Callable[[], Worker[What, Result]],
        line: JobQueue[What],
        notify: Callable[[int, object], None],
    ) -> None:
        self._ray, self._settings, self._line, self._notify = ray, settings, line, notify
        self._open_worker = ray.put(open_worker)
        self._slots: list[_Slot] = []
        self._hired_at = time.monotonic()

    def results(self) -> Iterator[tuple[int, Result | WorkerLostError]]:
        while self._line or any(slot.position is not None for slot in self._slots):
            self._hire()
            waiting = {slot.waits_for: slot for slot in self._slots if slot.waits_for is not None}
            ready = self._ray.wait(list(waiting), timeout=TICK)[0] if waiting else self._pause()
            self._relay()
            for reference in ready:
                yield from self._settle(waiting[reference])
            for slot in self._slots:
                self._assign(slot)

    def _pause(self) -> list[object]:
        time.sleep(TICK)
        return []

    def dismiss(self) -> None:
        for slot in self._slots:
            self._ray.kill(slot.actor, no_restart=True)

    def _hire(self) -> None:
        """Start workers while the cluster has room for them and jobs wait for one."""
        resources = self._ray.cluster_resources()
        needs = self._settings.needs(resources)
        room = min((int(resources.get(name, 0) // need) for name, need in needs.items() if need), default=1)
        idle = sum(slot.position is None for slot in self._slots)
        if self._slots or room:
            self._hired_at = time.monotonic()
        elif time.monotonic() - self._hired_at > PATIENCE:
            raise ConfigError(
                f"the Ray cluster has no room for a worker that needs {needs}",
                remedy="ask for less: --executor '{kind: ray, cpus: 1, gpus: 0}', or add nodes",
            )
        for _ in range(min(room - len(self._slots), len(self._line) - idle)):
            options = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "max_concurrency": 2}
            options |= {"memory": needs["memory"]} if needs["memory"] else {}
            actor = self._ray.remote(_Actor).options(**options).remote(self._open_worker)
            self._slots.append(_Slot(actor))

    def _assign(self, slot: _Slot) -> None:
        if slot.waits_for is None and (taken := self._line.take(slot.group)) is not None:
            slot.position, slot.group = taken, self._line.jobs[taken].group
            slot.waits_for = slot.actor.run.remote(self._line.jobs[taken].what)

    def _settle(self, slot: _Slot) -> Iterator[tuple[int, Result | WorkerLostError]]:
        """A worker is ready, done or dead."""
        position, reference = slot.position, slot.waits_for
        slot.position = slot.waits_for = None
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            self._slots.remove(slot)
            lost = None if position is None else self._line.lost(position, type(error).__name__)
            if position is not None and lost is not None:
                yield position, lost
            return
        if position is not None:
            yield position, result

    def _relay(self) -> None:
        """Progress of all workers, to whoever shows it; a dead one is noticed elsewhere."""
        asked = {
            slot.actor.events.remote(): slot.position for slot in self._slots if slot.position is not None
        }
        ready, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=TICK) if asked else ([], [])
        for reference in ready:
            try:
                events = self._ray.get(reference)
            except self._ray.exceptions.RayError:
                continue
            for event in events:
                self._notify(asked[reference], event)


class _Actor(Generic[What, Result]):
    """Runs in a Ray worker: one thread works, another passes on its reports."""

    def __init__(self, open_worker: Callable[[], Worker[What, Result]]) -> None:
        notices.to_screen()
        self._worker = open_worker()
        self._events: deque[object] = deque()

    def ready(self) -> bool:
        return True

    def run(self, what: What) -> Result:
        return self._worker(what, self._events.append)

    def events(self) -> list[object]:
        return [self._events.popleft() for _ in range(len(self._events))]


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--executor ray needs Ray", remedy="pip install 'finetune-or-prompt-harness[ray]'"
        ) from None
    return ray


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address or None, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"no Ray cluster at '{address}': {str(error).splitlines()[0]}") from None

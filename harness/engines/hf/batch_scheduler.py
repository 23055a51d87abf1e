"""The batch scheduler: a full batch, refilled as rows finish; passes, then rows, are halved when memory runs out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from torch import Tensor

from harness.engines.hf.pass_budget import PassBudget
from harness.engines.hf.sequence import DecodingSequence
from harness.engines.hf.token_sampling import choose
from harness.models.layers.out_of_memory import is_out_of_memory, release


class Backend(Protocol):
    """Computes logits of rows. `active` lists its rows in the order of the logits of `step`."""

    refills: bool
    active: list[DecodingSequence]

    def add(self, rows: Sequence[DecodingSequence]) -> Tensor: ...
    def step(self) -> Tensor: ...
    def remove(self, done: Sequence[DecodingSequence]) -> None: ...


class Schedule:
    """Takes rows in the order given; `capacity` is how many are computed at once.

    `make(capacity, waiting)` builds a backend with room for that many of the rows; `budget` is what its passes over
    prompts take (None: they cannot be made smaller).
    """

    def __init__(
        self,
        rows: Iterable[DecodingSequence],
        capacity: int,
        make: Callable[[int, Sequence[DecodingSequence]], Backend],
        budget: PassBudget | None = None,
    ) -> None:
        self.waiting = deque(rows)
        self.capacity = capacity
        self._make = make
        self._backend: Backend | None = None
        self._budget, self._reading = budget, False
        self.halved = False
        """Whether memory ran out with more rows than `capacity`."""

    def unfinished(self) -> bool:
        return bool(self.waiting) or (self._backend is not None and bool(self._backend.active))

    def advance(self) -> list[DecodingSequence]:
        """Compute until at least one row is finished, and return the finished rows."""
        done: list[DecodingSequence] = []
        while not done and self.unfinished():
            clock = time.monotonic()
            before = list(self.waiting)
            exhausted = False
            try:
                rows, logits = self._compute()
                for row, token in zip(rows, choose(logits, rows), strict=True):
                    row.say(token)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                exhausted = True
            if exhausted:  # only now: an error that is being handled holds the tensors of its frames
                done = self._shrink(before)
                continue
            seconds = (time.monotonic() - clock) / len(rows)
            for row in rows:
                row.seconds += seconds
                row.first_token = row.seconds if row.first_token is None else row.first_token
            done = [row for row in rows if row.reason is not None]
            self._release(done)
        return done

    def _compute(self) -> tuple[list[DecodingSequence], Tensor]:
        if self._backend is None:
            self._backend = self._make(self.capacity, list(self.waiting))
        backend = self._backend
        free = self.capacity - len(backend.active)
        # Refilled by quarters: passes of a few rows use the machine poorly.
        self._reading = False
        if self.waiting and (not backend.active or (backend.refills and free >= max(1, self.capacity // 4))):
            self._reading = True
            rows = [self.waiting.popleft() for _ in range(min(free, len(self.waiting)))]
            return rows, backend.add(rows)
        rows = list(backend.active)
        return rows, backend.step()

    def _release(self, done: Sequence[DecodingSequence]) -> None:
        if not done or self._backend is None:
            return
        self._backend.remove(done)
        for row in done:
            _release(row)

    def _shrink(self, before: Sequence[DecodingSequence]) -> list[DecodingSequence]:
        """Start over with smaller passes over prompts, or else with half the rows; tokens generated so far are kept."""
        active = [] if self._backend is None else self._backend.active
        fresh = [row for row in before if row not in self.waiting and row not in active]
        # Restore tree order: rows that left have shuffled the active ones.
        self.waiting = deque([*sorted([*active, *fresh], key=lambda row: row.rank), *self.waiting])
        self._backend = None
        release()
        if self._reading and self._budget is not None and self._budget.halve():
            return []
        tried = min(self.capacity, max(1, len(active) + len(fresh)))
        if tried == 1:
            row = self.waiting.popleft()
            row.fail(f"out of memory with a single prompt of {len(row.prompt)} tokens")
            _release(row)
            return [row]
        self.capacity, self.halved = max(1, tried // 2), True
        return []


def _release(row: DecodingSequence) -> None:
    if row.node is not None:
        row.node.release()

"""The moving average of the weights during training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.training.fsdp import part
from harness.training.optimizer import Optimizer

if TYPE_CHECKING:
    import torch


class Average:
    """Exponential moving average of an optimizer's float32 weights; a `decay` of 0 keeps none.

    Early on the average decays faster, by (1 + t) / (10 + t) after t updates, so that a short run does not
    end with its initial weights.
    """

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        self._optimizer, self._decay, self._updates = optimizer, decay, 0
        self.values = [master.clone() for master in optimizer.masters] if decay else []

    def update(self) -> None:
        """Update the average with the weights after a step."""
        if not self.values:
            return
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for value, master in zip(self.values, self._optimizer.masters, strict=True):
            value.lerp_(master, 1 - decay)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the `with` block the network has the averaged weights."""
        if not self.values:
            yield
            return
        current = [parameter.detach().clone() for parameter in self._optimizer.parameters]
        self.settle()
        try:
            yield
        finally:
            self._optimizer.write(current)

    def settle(self) -> None:
        """Give the network the averaged weights for good."""
        if self.values:
            self._optimizer.write(self.values)

    def state(self) -> dict[str, int | list[torch.Tensor]]:
        return {"updates": self._updates, "values": self.values}

    def load(self, state: dict[str, int | list[torch.Tensor]]) -> None:
        """Restore what `state` returned."""
        updates, values = state["updates"], state["values"]
        assert isinstance(updates, int)
        assert isinstance(values, list)
        self._updates = updates
        for mine, value in zip(self.values, values, strict=True):
            mine.copy_(part(value, mine))

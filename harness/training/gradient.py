"""The gradient of one optimiser step, in micro-batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.core.errors import RunError
from harness.training.batches import Batch
from harness.training.optimizer import Optimizer
from harness.training.out_of_memory import is_out_of_memory, release
from harness.training.processes import Group
from harness.training.rows import Row

if TYPE_CHECKING:
    import torch

Loss = Callable[[Any, Batch], "torch.Tensor"]
"""(network, batch) → the weighted sum of losses over its positions, in nats."""


class Gradient:
    """Adds up the gradient of a step's rows, `micro` of them at a time in each process.

    The loss is normalised over all tokens of the step, so how the rows are cut does not matter.
    When memory runs out, the step begins again with micro-batches of half the size, and `notes`
    says so.
    """

    def __init__(
        self,
        network: Any,
        optimizer: Optimizer,
        loss: Loss,
        collate: Callable[[Sequence[Row]], Batch],
        group: Group,
        micro: int,
    ) -> None:
        self.network, self.optimizer, self.loss, self.collate = network, optimizer, loss, collate
        self.group, self.micro = group, micro
        self.notes: list[str] = []

    def of(self, rows: Sequence[Row], step: int) -> float:
        """Leave the gradient of the mean loss over `rows` in the optimiser, and return that loss.

        Raises:
            RunError: memory ran out with a single row.
        """
        weight = sum(sum(row.weights[1:]) for row in rows)
        while (loss := self._attempt(self.group.share(rows), weight)) is None:
            self._halve(step, rows)
        self.group.add_up_gradients(self.optimizer.masters)
        return self.group.total(loss, self.network.device)

    def _halve(self, step: int, rows: Sequence[Row]) -> None:
        """Halve the micro-batch, and the memory that its activations take."""
        self.optimizer.clear()
        release()
        if self.micro == 1:
            longest = max(len(row) for row in rows)
            raise RunError(
                f"out of memory at step {step} with a single row in the batch (the longest has {longest} tokens)"
                " — lower max_length, set activation_checkpointing, or take a smaller base"
            )
        before, self.micro = self.micro, -(-self.micro // 2)
        self.notes.append(
            f"out of memory at step {step}: {self.micro} rows at once instead of {before}, and as many more"
            " batches in a step; the gradient is the same"
        )

    def _attempt(self, rows: Sequence[Row], weight: float) -> float | None:
        """The share that these rows have in the step's loss; None when memory was too short."""
        total = 0.0
        try:
            for start in range(0, len(rows), self.micro):
                batch = self.collate(rows[start : start + self.micro])
                loss = self.loss(self.network, batch) / weight
                loss.backward()
                total += float(loss.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return total

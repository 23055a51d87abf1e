"""The gradient of one optimizer step, in micro-batches that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.core.errors import RunError
from harness.core.torch_types import Network
from harness.models.layers.out_of_memory import is_out_of_memory, release
from harness.training.activation_checkpointing import Recomputation
from harness.training.batching import Batch
from harness.training.distributed import ProcessGroup
from harness.training.fsdp import LocalModel
from harness.training.optimizer import Optimizer
from harness.training.tokenized import TokenizedExample

if TYPE_CHECKING:
    import torch

Loss = Callable[[Network, Batch], "torch.Tensor"]
"""(network, batch) → the weighted sum of losses over its positions, in nats."""


class Gradient:
    """Accumulates the gradient of a step's rows, `micro` rows at a time in each process.

    The loss is normalized over all tokens of the step, so the micro-batch size does not change it. If memory
    runs out, the step restarts with micro-batches of half the size, or with activation checkpointing if a
    single row is too much, and adds a note.
    """

    def __init__(
        self,
        learner: LocalModel,
        optimizer: Optimizer,
        loss: Loss,
        collate: Callable[[Sequence[TokenizedExample]], Batch],
        group: ProcessGroup,
        micro: int,
        recomputation: Recomputation,
    ) -> None:
        self.learner, self.optimizer, self.loss, self.collate = learner, optimizer, loss, collate
        self.group, self.micro, self.recomputation = group, micro, recomputation
        self.notes: list[str] = []

    def of(self, rows: Sequence[TokenizedExample], step: int) -> float:
        """Leave the gradient of the mean loss over `rows` in the optimizer and return that loss.

        Raises:
            RunError: memory ran out with a single row, or processes cannot retry independently.
        """
        weight = sum(sum(row.weights[1:]) for row in rows)
        while (loss := self._attempt(rows, weight)) is None:
            self._halve(step, rows)
        if self.group.size > 1:
            masters = self.optimizer.gather()
            if not self.learner.divided:
                self.group.all_reduce_gradients(masters)
        return self.group.total(loss, self.learner.network.device)

    def _micro_batches(
        self, rows: Sequence[TokenizedExample]
    ) -> list[tuple[Sequence[TokenizedExample], float]]:
        """This process's rows, `micro` at a time, each with a factor for its loss.

        Processes that share a sharded network must run equally many passes: one with fewer rows pads with
        batches of factor 0.
        """
        own_rows = self.group.share(rows)
        batches = [
            (own_rows[start : start + self.micro], 1.0) for start in range(0, len(own_rows), self.micro)
        ]
        if self.learner.divided:
            largest = math.ceil(len(rows) / self.group.size)
            batches += [(rows[:1], 0.0)] * (math.ceil(largest / self.micro) - len(batches))
        return batches

    def _halve(self, step: int, rows: Sequence[TokenizedExample]) -> None:
        """Halve the micro-batch, and the memory that its activations take."""
        self.optimizer.clear()
        release()
        if self.learner.divided:
            raise RunError(
                f"out of memory at step {step} with {self.micro} rows at once in a process"
                " — lower per_device_train_batch_size and raise gradient_accumulation_steps as much"
            )
        if self.micro == 1:
            self._recompute(step, max(len(row) for row in rows))
            return
        before, self.micro = self.micro, -(-self.micro // 2)
        self.notes.append(
            f"out of memory at step {step}: {self.micro} rows at once instead of {before}, and as many more"
            " batches in a step; the gradient is the same"
        )

    def _recompute(self, step: int, longest: int) -> None:
        """Keep fewer activations if a single row is too much."""
        if not self.recomputation.begin():
            remedy = "" if self.recomputation.on else "this network cannot recompute its activations; "
            raise RunError(
                f"out of memory at step {step} with a single row in the batch (the longest has {longest} tokens)"
                f" — {remedy}lower max_length, or take a smaller or quantized base"
            )
        self.notes.append(
            f"out of memory at step {step} with a single row ({longest} tokens): activation_checkpointing is on from"
            " here, which computes activations twice and keeps fewer; the gradient is the same"
        )

    def _attempt(self, rows: Sequence[TokenizedExample], weight: float) -> float | None:
        """These rows' contribution to the step's loss; None if memory ran out."""
        total = 0.0
        try:
            for micro_batch, factor in self._micro_batches(rows):
                loss = self.learner.loss(self.loss, self.collate(micro_batch)) / weight * factor
                loss.backward()
                total += float(loss.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        return total

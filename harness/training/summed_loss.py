"""The loss behind a frozen output layer on a CPU, whose logits are never kept: the gradient of the hidden states is computed
with the loss, a few positions at a time. No product is computed twice.

Source: Hsu et al. 2024, Liger Kernel (arXiv:2410.10989), which fuses this into one kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from harness.core.torch_types import GradientContext, Layer

_BYTES = 8 << 20
"""Float32 logits that are in memory at a time; the loss and its gradient take about four times as much."""
_FEWEST = 32
"""Positions at a time, however large the vocabulary: fewer would read the output layer's weights too often."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Hidden states [positions, width], targets and weights [positions] → their summed loss, a float32 scalar."""


def is_frozen(head: Layer, hidden: Tensor) -> bool:
    """Whether the loss behind an output layer can be computed this way: on one process's CPU, where the layer learns nothing."""
    learns = any(p.requires_grad for p in head.parameters())
    return hidden.device.type == "cpu" and in_one_process() and not learns


def in_one_process() -> bool:
    """Whether no other process takes part in the training."""
    return not (torch.distributed.is_available() and torch.distributed.is_initialized())


def positions_at_once(vocabulary: int) -> int:
    """How many positions have logits in memory at a time."""
    return max(_FEWEST, _BYTES // (4 * vocabulary))


def summed(loss: Loss, hidden: Tensor, targets: Tensor, weights: Tensor, vocabulary: int) -> Tensor:
    """`loss` of all positions, computed a few at a time.

    Args:
        loss: reads nothing with a gradient but the hidden states.
        vocabulary: the number of logits of a position.
    """
    total: Tensor = _Summed.apply(hidden, targets, weights, loss, positions_at_once(vocabulary))  # type: ignore[no-untyped-call]
    return total


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: GradientContext, hidden: Tensor, targets: Tensor, weights: Tensor, loss: Loss, count: int
    ) -> Tensor:
        total = torch.zeros((), device=hidden.device)
        learns = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if learns else None
        for start in range(0, len(hidden), count):
            piece = slice(start, start + count)
            with torch.set_grad_enabled(learns):
                states = hidden[piece].detach().requires_grad_(learns)
                value = loss(states, targets[piece], weights[piece])
            if gradient is not None:
                (gradient[piece],) = torch.autograd.grad(value, states)
            total += value.detach()
        ctx.save_for_backward(*(() if gradient is None else (gradient,)))
        return total

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None, None, None

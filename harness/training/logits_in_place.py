"""The loss behind an output layer that learns, on a CPU: the gradient of the logits takes the logits' place.

Written plainly, a loss keeps the logits, their float32 copy, its logarithms and the gradients of all three: 20 bytes a logit for a network in
bfloat16. Here the loss is computed a few positions at a time, and once more for the gradient, whose pieces overwrite the logits
that they are computed from. No matrix product is repeated and the gradient is the same, bit for bit.

Source: the memory of a fused loss as in Hsu et al. 2024, Liger Kernel (arXiv:2410.10989).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from harness.core.torch_types import GradientContext
from harness.training.summed_loss import in_one_process, positions_at_once

LossOfLogits = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Logits [positions, vocabulary], targets and weights [positions] → their summed loss, a float32 scalar."""


def pays(hidden: Tensor) -> bool:
    """Whether to compute the loss of these states so: on one process's CPU."""
    return hidden.device.type == "cpu" and in_one_process()


def summed_in_place(loss: LossOfLogits, logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """`loss` of all positions.

    Args:
        loss: treats every position by itself.
        logits: nothing else reads them.
    """
    total: Tensor = _InPlace.apply(logits, targets, weights, loss)  # type: ignore[no-untyped-call]
    return total


class _Context(GradientContext):
    loss: LossOfLogits


class _InPlace(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, logits: Tensor, targets: Tensor, weights: Tensor, loss: LossOfLogits
    ) -> Tensor:
        ctx.save_for_backward(logits, targets, weights)
        ctx.loss = loss
        total = torch.zeros((), device=logits.device)
        for piece in _pieces(logits):
            total += loss(logits[piece], targets[piece], weights[piece])
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        logits, targets, weights = ctx.saved_tensors
        gradient = logits.detach()
        for piece in _pieces(gradient):
            with torch.enable_grad():
                some = gradient[piece].detach().requires_grad_()
                value = ctx.loss(some, targets[piece], weights[piece])
            gradient[piece] = torch.autograd.grad(value, some, grads[0])[0]
        return gradient, None, None, None


def _pieces(logits: Tensor) -> list[slice]:
    count = positions_at_once(logits.shape[-1])
    return [slice(start, start + count) for start in range(0, len(logits), count)]

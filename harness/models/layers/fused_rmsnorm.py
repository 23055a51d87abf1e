"""Root-mean-square norms whose gradient takes two passes over memory instead of a dozen."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.torch_types import Layer, Network
from harness.models.patch_forward import replaced


class _RootMeanSquareNorm(torch.autograd.Function):
    """x [rows, width] divided by its root mean square, times `weight` [width] (Zhang and Sennrich 2019,
    arXiv:1910.07467)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        inverse = torch.rsqrt(_dot(x, x) / x.shape[-1] + epsilon)
        ctx.save_for_backward(x, inverse, weight)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, inverse, weight = ctx.saved_tensors
        to_weight = (grads[0] * x).mul_(inverse).sum(0) if ctx.needs_input_grad[1] else None
        grad = grads[0] * weight
        along = _dot(grad, x).mul_(inverse.pow(3)).div_(x.shape[-1])
        return grad.mul_(inverse).addcmul_(x, along, value=-1), to_weight, None


@contextlib.contextmanager
def fused_norms(network: Network) -> Iterator[None]:
    """Inside the `with` block, norms that equal this function use it; the others are left unchanged.
    Equality is tested on a random input: Gemma's norm, for example, multiplies by 1 + weight and is left
    unchanged.
    """
    with replaced([module for module in network.modules() if _is_plain(module)], _forward):
        yield


def _dot(a: Tensor, b: Tensor) -> Tensor:
    dot: Tensor = torch.linalg.vecdot(a, b)
    return dot.unsqueeze(-1)


def _is_plain(module: Layer) -> bool:
    weight: Any = getattr(module, "weight", None)
    # A weight that is sharded over processes is a parameter of another type.
    plain = type(weight) is nn.Parameter and hasattr(module, "variance_epsilon")
    if not plain or weight.ndim != 1 or weight.dtype != torch.float32 or "forward" in vars(module):
        return False
    if len(inspect.signature(module.forward).parameters) != 1:
        return False  # a gated norm takes a second input, in some networks an optional one
    with torch.no_grad():
        # Not random: drawing would advance the generator that dropout draws from.
        trial = torch.linspace(-2, 3, 2 * len(weight), device=weight.device).view(2, -1)
        return torch.allclose(module(trial), _forward(module, trial), rtol=1e-5, atol=1e-6)


def _forward(norm: Layer, x: Tensor) -> Tensor:
    flat = x.reshape(-1, x.shape[-1])
    out: Tensor = _RootMeanSquareNorm.apply(flat, norm.weight, norm.variance_epsilon)  # type: ignore[no-untyped-call]
    return out.view(x.shape)

"""Root-mean-square norms whose gradient takes two passes over memory instead of a dozen, and needs no copy of
their input in float32."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.torch_types import GradientContext, Layer, Network
from harness.models.layers.recomputed_states import recompute_later
from harness.models.patch_forward import replaced


class _RootMeanSquareNorm(torch.autograd.Function):
    """x [rows, width] divided by its root mean square, times `weight` [width] (Zhang and Sennrich 2019,
    arXiv:1910.07467)."""

    @staticmethod
    def forward(ctx: GradientContext, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        inverse = torch.rsqrt(_dot(x, x) / x.shape[-1] + epsilon)
        ctx.save_for_backward(x, inverse, weight)
        return (x * inverse).mul_(weight)

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, inverse, weight = ctx.saved_tensors
        to_weight = (grads[0] * x).mul_(inverse).sum(0) if ctx.needs_input_grad[1] else None
        grad = grads[0] * weight
        along = _dot(grad, x).mul_(inverse.pow(3)).div_(x.shape[-1])
        return grad.mul_(inverse).addcmul_(x, along, value=-1), to_weight, None


class _NarrowRootMeanSquareNorm(torch.autograd.Function):
    """The same for `x` and `weight` in 16 bits: computed in float32, and rounded where transformers rounds."""

    @staticmethod
    def forward(ctx: GradientContext, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        wide = x.float()
        inverse = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(x, inverse, weight)
        return wide.mul_(inverse).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, inverse, weight = ctx.saved_tensors
        wide, to_weight = x.float(), None
        if ctx.needs_input_grad[1]:
            to_weight = (wide * inverse).mul_(grads[0]).sum(0).to(weight.dtype)
        grad = (grads[0] * weight).float()
        along = _dot(grad, wide).mul_(inverse.pow(3)).div_(x.shape[-1])
        return grad.mul_(inverse).addcmul_(wide, along, value=-1).to(x.dtype), to_weight, None


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
    if not plain or weight.ndim != 1 or "forward" in vars(module):
        return False
    if weight.dtype != torch.float32 and weight.device.type != "cpu":
        return False
    if len(inspect.signature(module.forward).parameters) != 1:
        return False  # a gated norm takes a second input, in some networks an optional one
    with torch.no_grad():
        # Not random: drawing would advance the generator that dropout draws from.
        trial = torch.linspace(-2, 3, 2 * len(weight), dtype=weight.dtype, device=weight.device).view(2, -1)
        expected, computed = module(trial), _forward(module, trial)
        if weight.dtype != torch.float32:
            return torch.equal(expected, computed)
        return torch.allclose(expected, computed, rtol=1e-5, atol=1e-6)


def _forward(norm: Layer, x: Tensor) -> Tensor:
    flat = x.reshape(-1, x.shape[-1])
    weight: Tensor = norm.weight
    if x.dtype != weight.dtype:
        mixed: Tensor = type(norm).forward(norm, x)
        return mixed
    out = _normalized(flat, weight, norm.variance_epsilon)
    recompute_later(
        "norm", out, partial(_again, flat.detach(), weight.detach(), float(norm.variance_epsilon))
    )
    return out.view(x.shape)


def _normalized(flat: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    narrow = flat.dtype in (torch.bfloat16, torch.float16)
    kind = _NarrowRootMeanSquareNorm if narrow else _RootMeanSquareNorm
    out: Tensor = kind.apply(flat, weight, epsilon)  # type: ignore[no-untyped-call]
    return out


_again = torch.no_grad()(_normalized)

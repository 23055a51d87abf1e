"""Gated feed-forward parts that keep two states as wide as their inner layer for the gradient instead of four."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from harness.core.torch_types import GradientContext, Layer, Network
from harness.models.layers.recomputed_states import recompute_later
from harness.models.patch_forward import replaced

_PARTS = ("gate_proj", "up_proj", "down_proj", "act_fn")

Activation = Callable[[Tensor], Tensor]


class _Gated(torch.autograd.Function):
    """activation(gate) · up (Shazeer 2020, arXiv:2002.05202), with the activation computed again for the gradient."""

    @staticmethod
    def forward(ctx: GradientContext, gate: Tensor, up: Tensor, activation: Activation) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.activation = activation
        return activation(gate) * up

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            gate, up = (tensor.detach().requires_grad_() for tensor in ctx.saved_tensors)
            product = ctx.activation(gate) * up
        return *torch.autograd.grad(product, (gate, up), grads[0]), None


@contextlib.contextmanager
def gated_mlps(network: Network) -> Iterator[None]:
    """Inside the `with` block, feed-forward parts that equal this function on a CPU use it; the others are left
    unchanged."""
    on_cpu = network.device.type == "cpu"
    with replaced([module for module in network.modules() if on_cpu and _is_gated(module)], _forward):
        yield


def _is_gated(module: Layer) -> bool:
    if "forward" in vars(module) or not all(isinstance(getattr(module, p, None), nn.Module) for p in _PARTS):
        return False
    if len(inspect.signature(module.forward).parameters) != 1 or any(module.act_fn.parameters()):
        return False
    weight = getattr(module.gate_proj, "weight", None)
    width = getattr(module.gate_proj, "in_features", None)
    if weight is None or width is None or weight.device.type != "cpu":
        return False
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        with torch.no_grad():
            kept = weight.dtype if weight.is_floating_point() else torch.float32
            # Not random: drawing would advance the generator that dropout draws from.
            trial = torch.linspace(-2, 3, 2 * width, dtype=kept).view(1, 2, width)
            return torch.equal(module(trial), _forward(module, trial))
    except (RuntimeError, ValueError, TypeError):
        return False
    finally:
        for part in training:
            part.training = True


def _forward(mlp: Layer, x: Tensor) -> Tensor:
    gate, up = mlp.gate_proj(x), mlp.up_proj(x)
    product: Tensor = _Gated.apply(gate, up, mlp.act_fn)  # type: ignore[no-untyped-call]
    recompute_later("product", product, partial(_product, gate.detach(), up.detach(), mlp.act_fn))
    out: Tensor = mlp.down_proj(product)
    return out


@torch.no_grad()
def _product(gate: Tensor, up: Tensor, activation: Activation) -> Tensor:
    return activation(gate) * up

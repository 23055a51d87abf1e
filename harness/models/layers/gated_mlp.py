"""Gated feed-forward parts that keep two states as wide as their inner layer for the gradient instead of four."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from transformers import activations

from harness.core.torch_types import GradientContext, Layer, Network
from harness.models.layers.recomputed_states import recompute_later
from harness.models.patch_forward import replaced

_PARTS = ("gate_proj", "up_proj", "down_proj", "act_fn")

_SILU = (nn.SiLU, getattr(activations, "SiLUActivation", nn.SiLU))
"""torch's, and that of recent versions of transformers."""

Activation = Callable[[Tensor], Tensor]


class _Again:
    """The activation, computed again for the gradient: by whichever of its two readers comes first."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation
        self._value: Tensor | None = None

    @torch.no_grad()
    def product(self, gate: Tensor, up: Tensor) -> Tensor:
        """What the last projection reads, whose gradient is computed before that of the product."""
        self._value = self.activation(gate)
        return self._value * up

    def gradients(self, gate: Tensor, up: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        value, self._value = self._value, None
        if isinstance(self.activation, _SILU):
            value = self.activation(gate) if value is None else value
            return torch.ops.aten.silu_backward(grad * up, gate), grad * value
        with torch.enable_grad():
            inner, outer = gate.detach().requires_grad_(), up.detach().requires_grad_()
            product = self.activation(inner) * outer
        to_gate, to_up = torch.autograd.grad(product, (inner, outer), grad)
        return to_gate, to_up


class _Context(GradientContext):
    again: _Again


class _Gated(torch.autograd.Function):
    """activation(gate) · up (Shazeer 2020, arXiv:2002.05202), with the activation computed again for the gradient."""

    @staticmethod
    def forward(ctx: _Context, gate: Tensor, up: Tensor, again: _Again) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.again = again
        return again.activation(gate) * up

    @staticmethod
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gate, up = ctx.saved_tensors
        return *ctx.again.gradients(gate, up, grads[0]), None


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
    again = _Again(mlp.act_fn)
    product: Tensor = _Gated.apply(gate, up, again)  # type: ignore[no-untyped-call]
    recompute_later("product", product, partial(again.product, gate.detach(), up.detach()))
    out: Tensor = mlp.down_proj(product)
    return out

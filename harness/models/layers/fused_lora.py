"""LoRA layers in fewer passes over memory, with the same results as peft's.

peft computes `base(x) + B(A(x)) * scaling` as three results as wide as the layer's output, and their
gradients as many again. Here the low-rank product is added in place to the base's result, in
the forward pass and in the gradient of the input (one `addmm` each). Over a base in 16 bits, whose inputs peft widens
for its products in float32, the widened input is not kept for the gradient: it is widened again. (Where the processor computes
16 bits, `narrow_lora.py` does not widen it at all.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from harness.core.torch_types import GradientContext, Layer, Network
from harness.models.layers import narrow_lora
from harness.models.layers.plain_layers import quantization
from harness.models.patch_forward import replaced


class _Product(torch.autograd.Function):
    """x W' + s x A' B', for x [rows, in], W [out, in] without gradient, A [r, in] and B [out, r]."""

    @staticmethod
    def forward(
        ctx: GradientContext, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, s: float
    ) -> Tensor:
        narrow = x @ a.T
        out = x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)
        ctx.save_for_backward(x, narrow, weight, a, b)
        ctx.scaling = s
        return out.addmm_(narrow, b.T, alpha=s)

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, narrow, weight, a, b = ctx.saved_tensors
        grad = grads[0]
        back = (grad @ b).mul_(ctx.scaling)
        to_x = (grad @ weight).addmm_(back, a) if ctx.needs_input_grad[0] else None
        return to_x, None, None, back.T @ x, (grad.T @ narrow).mul_(ctx.scaling), None


class _Widened(torch.autograd.Function):
    """out + s x A' B' for `out` [rows, out] and `x` [rows, in] in 16 bits, A and B in float32.

    `rounds`: the product is rounded to 16 bits before it is added, as peft does over a 4-bit layer.
    """

    @staticmethod
    def forward(
        ctx: GradientContext, out: Tensor, x: Tensor, a: Tensor, b: Tensor, s: float, rounds: bool
    ) -> Tensor:
        narrow = x.float() @ a.T
        ctx.save_for_backward(x, narrow, a, b)
        ctx.scaling = s
        if rounds:
            return out + (narrow @ b.T).mul_(s).to(out.dtype)
        return out.float().addmm_(narrow, b.T, alpha=s).to(out.dtype)

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, narrow, a, b = ctx.saved_tensors
        grad = grads[0].float()
        back = (grad @ b).mul_(ctx.scaling)
        to_x = (back @ a).to(x.dtype) if ctx.needs_input_grad[1] else None
        return grads[0], to_x, back.T @ x.float(), (grad.T @ narrow).mul_(ctx.scaling), None, None


@contextlib.contextmanager
def fused_lora(network: Network) -> Iterator[None]:
    """Inside the `with` block, LoRA layers that support it compute as above; the others stay peft's. One
    adapter without dropout over a frozen linear layer is supported: in float32, and in 16 or 4 bits on a CPU that does not
    compute 16 bits. DoRA and other variants and several stages at once are left to peft.
    """
    chosen = [module for module in network.modules() if _is_alone(module)]
    widened = [] if narrow_lora.pays(network) else [module for module in chosen if _is_narrow(module)]
    with (
        replaced([module for module in chosen if _is_plain(module)], _forward),
        replaced(widened, _narrow_forward),
    ):
        yield


def _is_alone(module: Layer) -> bool:
    """Whether one float32 adapter without dropout, bias or variant is over a frozen layer."""
    from peft.tuners.lora import Linear, LoraLayer

    kind = cast("type", type(module))
    if kind is not Linear and not (issubclass(kind, LoraLayer) and kind.__name__ == "Linear4bit"):
        return False
    if module.merged or "forward" in vars(module):
        return False
    active = [name for name in module.active_adapters if name in module.lora_A]
    if len(active) != 1 or module.disable_adapters or active[0] in module.lora_variant:
        return False
    a, b = module.lora_A[active[0]], module.lora_B[active[0]]
    still = not any(p.requires_grad for p in module.base_layer.parameters())
    wide = {a.weight.dtype, b.weight.dtype} == {torch.float32}
    # A weight that is sharded over processes is a parameter of another type.
    whole = type(a.weight) is nn.Parameter
    return still and wide and whole and b.bias is None and type(module.lora_dropout[active[0]]) is nn.Identity


def _is_plain(module: Layer) -> bool:
    base = module.base_layer
    return cast("type", type(base)) is nn.Linear and base.weight.dtype == torch.float32


def _is_narrow(module: Layer) -> bool:
    base = module.base_layer
    known = cast("type", type(base)) is nn.Linear or quantization(base) == "4bit"
    return known and not _is_plain(module) and base.weight.device.type == "cpu"


def _forward(layer: Layer, x: Tensor) -> Tensor:
    name = next(name for name in layer.active_adapters if name in layer.lora_A)
    base, a, b = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
    flat = x.reshape(-1, x.shape[-1])
    scale = layer.scaling[name]
    out: Tensor = _Product.apply(flat, base.weight, base.bias, a, b, scale)  # type: ignore[no-untyped-call]
    return out.view(*x.shape[:-1], out.shape[-1])


def _narrow_forward(layer: Layer, x: Tensor) -> Tensor:
    if x.dtype == torch.float32:
        wide: Tensor = type(layer).forward(layer, x)
        return wide
    name = next(name for name in layer.active_adapters if name in layer.lora_A)
    out: Tensor = layer.base_layer(x)
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight
    flat, rounds = x.reshape(-1, x.shape[-1]), bool(quantization(layer.base_layer))
    total: Tensor = _Widened.apply(  # type: ignore[no-untyped-call]
        out.reshape(-1, out.shape[-1]), flat, a, b, layer.scaling[name], rounds
    )
    return total.view(out.shape)

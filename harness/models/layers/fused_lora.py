"""LoRA layers in fewer passes over memory, with the same results as peft's.

peft computes `base(x) + B(A(x)) * scaling` as three results as wide as the layer's output, and their
gradients as many again. Here the low-rank product is added in place to the base's result, in
the forward pass and in the gradient of the input (one `addmm` each).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.torch_types import Layer, Network
from harness.models.patch_forward import replaced


class _Product(torch.autograd.Function):
    """x W' + s x A' B', for x [rows, in], W [out, in] without gradient, A [r, in] and B [out, r]."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, s: float
    ) -> Tensor:
        narrow = x @ a.T
        out = x @ weight.T if bias is None else torch.addmm(bias, x, weight.T)
        ctx.save_for_backward(x, narrow, weight, a, b)
        ctx.scaling = s
        return out.addmm_(narrow, b.T, alpha=s)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, narrow, weight, a, b = ctx.saved_tensors
        grad = grads[0]
        back = (grad @ b).mul_(ctx.scaling)
        to_x = (grad @ weight).addmm_(back, a) if ctx.needs_input_grad[0] else None
        return to_x, None, None, back.T @ x, (grad.T @ narrow).mul_(ctx.scaling), None


@contextlib.contextmanager
def fused_lora(network: Network) -> Iterator[None]:
    """Inside the `with` block, LoRA layers that support it compute as above; the others stay peft's. One
    adapter without dropout over a frozen float32 linear layer is supported; DoRA and other variants, several
    stages at once and quantized layers are left to peft.
    """
    with replaced([module for module in network.modules() if _is_plain(module)], _forward):
        yield


def _is_plain(module: nn.Module) -> bool:
    from peft.tuners.lora import Linear

    if type(module) is not Linear or type(module.base_layer) is not nn.Linear or module.merged:
        return False
    active = [name for name in module.active_adapters if name in module.lora_A]
    if len(active) != 1 or module.disable_adapters or active[0] in module.lora_variant:
        return False
    base, a, b = module.base_layer, module.lora_A[active[0]], module.lora_B[active[0]]
    still = not any(p.requires_grad for p in base.parameters())
    same = {base.weight.dtype, a.weight.dtype, b.weight.dtype} == {torch.float32}
    # A weight that is sharded over processes is a parameter of another type.
    whole = type(a.weight) is nn.Parameter
    return still and same and whole and b.bias is None and type(module.lora_dropout[active[0]]) is nn.Identity


def _forward(layer: Layer, x: Tensor) -> Tensor:
    name = next(name for name in layer.active_adapters if name in layer.lora_A)
    base, a, b = layer.base_layer, layer.lora_A[name].weight, layer.lora_B[name].weight
    flat = x.reshape(-1, x.shape[-1])
    scale = layer.scaling[name]
    out: Tensor = _Product.apply(flat, base.weight, base.bias, a, b, scale)  # type: ignore[no-untyped-call]
    return out.view(*x.shape[:-1], out.shape[-1])

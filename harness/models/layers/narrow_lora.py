"""LoRA over a base that computes in 16 bits: the low-rank products in the base's number format.

peft widens the input of every adapted layer to float32, computes both products there and narrows the sum: a
float32 copy of each input is kept for the gradient (8 of the 36 GB that a LoRA of an 8B model takes for one
row of 2,048 tokens), and a layer takes six kernels where two suffice. The adapter's own weights stay float32,
and so do their gradients, as under autocast (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740). On a CPU that
multiplies bfloat16 matrices in hardware, a step of SmolLM2-135M takes 11 % less time than with products in float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, cast

from harness.core.torch_types import Layer, Network
from harness.models.patch_forward import replaced

if TYPE_CHECKING:
    import torch
    from torch import Tensor


ROWS = 2
"""Dimensions of an input with rows."""


@contextlib.contextmanager
def narrow_lora(network: Network) -> Iterator[None]:
    """Inside the `with` block LoRA layers compute in 16 bits if their base does and `pays` says so; for DoRA and other
    variants of LoRA nothing changes.

    If entered without gradients, the block treats the adapters as fixed and narrows each once.
    """
    import torch

    if not pays(network):
        yield
        return
    narrow: Narrow = _narrowed if torch.is_grad_enabled() else cache(_narrowed)

    def forward(layer: Layer, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        return _computed(narrow, layer, x, *args, **kwargs)

    with replaced([module for module in network.modules() if _is_narrow(module)], forward):
        yield


def pays(network: Network) -> bool:
    """Whether the network is where 16 bits are faster than 32: on a GPU, or in bfloat16 on a CPU that computes it."""
    import torch

    from harness.models.load import computes_bfloat16

    if network.device.type == "cpu":
        return bool(network.dtype == torch.bfloat16) and computes_bfloat16("cpu")
    return bool(network.device.type == "cuda")


def _is_narrow(module: Layer) -> bool:
    from peft.tuners.lora import LoraLayer
    from torch import nn

    from harness.models.layers.plain_layers import quantization

    if not isinstance(module, LoraLayer) or "forward" in vars(module):
        return False
    base = cast("Layer", module.base_layer)
    known = cast("type", type(base)) is nn.Linear or bool(quantization(base))
    active = [name for name in module.active_adapters if name in module.lora_A]
    if not known or not active or module.merged or module.disable_adapters:
        return False
    # A weight that is sharded over processes is a parameter of another type.
    whole = all(type(module.lora_A[name].weight) is nn.Parameter for name in active)
    return whole and not any(name in module.lora_variant or module.lora_bias[name] for name in active)


Narrow = Callable[[Layer, str, "torch.dtype"], "tuple[Tensor, Tensor]"]


def _narrowed(layer: Layer, name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The two matrices of an adapter, [rank, in] and [out, rank], in 16 bits."""
    return layer.lora_A[name].weight.to(dtype), layer.lora_B[name].weight.to(dtype)


def _computed(narrow: Narrow, layer: Layer, x: Tensor, *args: object, **kwargs: object) -> Tensor:
    import torch
    from torch.nn.functional import linear

    # `adapter_names` gives each row an adapter of its own, and one vector has no rows to multiply: both are peft's.
    others = x.dim() < ROWS or "adapter_names" in kwargs
    if others or x.dtype == torch.float32 or layer.disable_adapters or layer.merged:
        wide: Tensor = type(layer).forward(layer, x, *args, **kwargs)
        return wide
    out: Tensor = layer.base_layer(x, *args, **kwargs)
    for name in layer.active_adapters:
        if name in layer.lora_A:
            a, b = narrow(layer, name, x.dtype)
            small = linear(layer.lora_dropout[name](x), a).flatten(0, -2)
            flat = torch.addmm(out.flatten(0, -2), small, b.T, alpha=layer.scaling[name])
            out = flat.view(out.shape)
    return out

"""Faster matrix products on a CPU, with the same results.

**Few rows, a few threads, float32.** MKL gives each thread some of the rows, and every thread then reads
and reorders the whole weight. With few rows that is most of the work; here each thread gets a part of the
weight's outputs instead.

**bfloat16 on a machine without bfloat16 arithmetic.** Products of bfloat16 numbers are exact in float32, and
hardware sums them in float32, too. So a weight is widened temporarily, the product taken in float32, and the
result rounded once; emulation takes several times as long.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from harness.core.torch_types import Layer, Network
from harness.models.load import computes_bfloat16
from harness.models.patch_forward import replaced

_ROWS = 256
_OUTPUTS = 1 << 23
"""Most rows, and most elements of the result (which is copied once more), for which it is faster."""
_THREADS = 4
"""Not measured with more threads."""


def quick_products(network: Network) -> AbstractContextManager[None]:
    """Inside the `with` block the network's linear layers compute as above where that is faster."""
    on_cpu = network.device.type == "cpu"
    return replaced([m for m in network.modules() if on_cpu and _is_slow(m)], _forward)


def _is_slow(module: nn.Module) -> bool:
    if type(module) is not nn.Linear or not module.weight.is_contiguous() or "forward" in vars(module):
        return False
    if module.weight.dtype == torch.bfloat16:
        return not computes_bfloat16("cpu")
    parts = torch.get_num_threads()
    return module.weight.dtype == torch.float32 and _can_divide(module.out_features, parts)


def _can_divide(outputs: int, parts: int) -> bool:
    return 1 < parts <= _THREADS and outputs % parts == 0


def _forward(linear: Layer, x: Tensor) -> Tensor:
    bias = None if linear.bias is None else linear.bias.float()
    return _product(x.float(), linear.weight.float(), bias).to(x.dtype)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [..., in] times the transpose of `weight` [out, in], plus `bias` [out]; float32."""
    rows, parts, outputs = x.numel() // x.shape[-1], torch.get_num_threads(), len(weight)
    few = rows <= _ROWS and rows * outputs <= _OUTPUTS
    if not few or not _can_divide(outputs, parts):
        return nn.functional.linear(x, weight, bias)
    divided = weight.view(parts, -1, x.shape[-1]).transpose(1, 2)
    product = torch.bmm(x.reshape(rows, -1).expand(parts, -1, -1), divided)
    out = torch.cat(product.unbind(), 1).view(*x.shape[:-1], -1)
    return out if bias is None else out.add_(bias)

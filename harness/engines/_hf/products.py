"""Matrix products of few rows on a CPU with a few cores.

MKL gives each thread some of the rows, and every thread then reads and reorders the whole weight.
Where rows are few that is most of the work; here each thread gets a part of the weight's outputs
instead. The numbers are the same to the last bit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from harness.models.forwards import replaced

_ROWS = 256
_OUTPUTS = 1 << 23
"""Rows, and numbers of the result (which is copied once more), up to which it is quicker."""
_THREADS = 4
"""With more threads it was never measured."""


def divided_products(network: Any) -> AbstractContextManager[None]:
    """Within the block the network's float32 linear layers compute few rows as above."""
    parts = torch.get_num_threads()
    chosen = []
    if network.device.type == "cpu" and 1 < parts <= _THREADS:
        chosen = [module for module in network.modules() if _is_plain(module, parts)]
    return replaced(chosen, _forward)


def _is_plain(module: Any, parts: int) -> bool:
    return (
        type(module) is nn.Linear
        and module.weight.dtype == torch.float32
        and module.weight.is_contiguous()
        and module.out_features % parts == 0
        and "forward" not in vars(module)
    )


def _forward(linear: Any, x: Tensor) -> Tensor:
    rows, parts = x.numel() // x.shape[-1], torch.get_num_threads()
    few = rows <= _ROWS and rows * linear.out_features <= _OUTPUTS
    if not few or linear.out_features % parts:
        return nn.functional.linear(x, linear.weight, linear.bias)
    weight = linear.weight.view(parts, -1, x.shape[-1])
    found = torch.bmm(x.reshape(rows, -1).expand(parts, -1, -1), weight.transpose(1, 2))
    out = torch.cat(found.unbind(), 1).view(*x.shape[:-1], -1)
    return out if linear.bias is None else out.add_(linear.bias)

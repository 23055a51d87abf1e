"""AdamW and the norm of gradients for bfloat16 weights on a CPU, piece by piece.

An update of whole tensors reads and writes float32 copies of weight and gradient several times from memory. Here a piece that fits into a
core's cache is widened, clipped, updated and narrowed before the next one is read. The
masters are those of torch's fused AdamW over whole tensors, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from harness.training.masters import Master
from harness.training.split_masters import SplitMaster, at_once

if TYPE_CHECKING:
    import torch

Update = Callable[["torch.Tensor", float, "torch.Tensor | None"], None]
"""(gradient of any type, learning rate, factor of the gradient or None)"""


def norms_of(gradient: torch.Tensor) -> Iterator[torch.Tensor]:
    """The norms, in float32, of pieces that make up a gradient.

    torch computes the norm of a bfloat16 tensor from a float32 copy of the whole, and on two threads a norm takes
    three times as long as a product.
    """
    import torch

    if hasattr(gradient, "full_tensor") or gradient.dtype == torch.float32:
        yield torch.linalg.vector_norm(gradient, dtype=torch.float32)
        return
    flat, size = gradient.reshape(-1), at_once(gradient.device)
    room = torch.empty(min(len(flat), size), device=flat.device)
    for piece in flat.split(size):
        wide = room[: len(piece)].copy_(piece)
        yield torch.dot(wide, wide).sqrt()


def pieces_of(adam: torch.optim.Optimizer, masters: Sequence[Master]) -> Mapping[Master, Update]:
    """How to update each of the masters that can be updated in pieces: those in two halves, on a CPU, by torch's AdamW."""
    import torch

    if type(adam) is not torch.optim.AdamW:
        return {}
    groups = {
        id(variable): number for number, group in enumerate(adam.param_groups) for variable in group["params"]
    }
    return {
        master: _update(master, adam, groups[id(master.variable)])
        for master in masters
        if isinstance(master, SplitMaster) and master.parameter.device.type == "cpu"
    }


def _update(master: SplitMaster, adam: torch.optim.AdamW, number: int) -> Update:
    import torch

    def update(gradient: torch.Tensor, learning_rate: float, factor: torch.Tensor | None) -> None:
        # Loading a checkpoint replaces the optimizer's records.
        moments, group = adam.state[master.variable], adam.param_groups[number]
        size = at_once(gradient.device)
        wide = torch.empty(min(master.size, size))
        flat = (gradient.reshape(-1), moments["exp_avg"].view(-1), moments["exp_avg_sq"].view(-1))
        gradients, averages, squares = (one.split(size) for one in flat)
        beta1, beta2 = group["betas"]
        steps = moments["step"] + 1

        def change(value: torch.Tensor, piece: int) -> None:
            widened = wide[: len(value)].copy_(gradients[piece])
            if factor is not None:
                widened.mul_(factor)
            # The kernel behind torch's AdamW, whose own preparations take longer than a piece.
            torch._fused_adamw_(
                [value],
                [widened],
                [averages[piece]],
                [squares[piece]],
                [],
                [steps],
                amsgrad=False,
                beta1=beta1,
                beta2=beta2,
                lr=learning_rate,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
            )

        with torch.no_grad():
            master.update(change)
            moments["step"].copy_(steps)

    return update

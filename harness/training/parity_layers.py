"""Merged layers compared with adapted ones, one at a time: for networks of which memory does not hold two in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.torch_types import Layer, Network
from harness.models.layers import plain_layers
from harness.models.layers.widened import in_float32

if TYPE_CHECKING:
    import torch

_ROWS = 8
_NUMBERS = 1 << 20
"""Numbers that are compared at a time."""


@dataclass(frozen=True, kw_only=True)
class ComparedLayers:
    """How many adapted layers were compared, and the largest mean difference, as a share of an output's spread."""

    count: int
    difference: float


def compare_layers(network: Network) -> ComparedLayers:
    """Each adapted linear layer and the plain layer that an export writes for it, on the same random inputs, in float32.

    The network is in evaluation mode afterwards. Layers that take no plain matrix are left out: embeddings and fused
    experts.
    """
    import torch

    network.eval()
    differences = []
    for _, layer in plain_layers.adapted(network):
        width = _inputs(plain_layers.innermost(layer))
        if width is None:
            continue
        drawn = torch.randn(_ROWS, width, generator=torch.Generator().manual_seed(0))
        with torch.no_grad(), in_float32(layer):
            inputs = drawn.to(plain_layers.innermost(layer).weight.device)
            trained, merged = layer(inputs), plain_layers.plain(layer, torch.float32)(inputs)
        differences.append(mean_difference(trained, merged))
    return ComparedLayers(count=len(differences), difference=max(differences, default=0.0))


def float32_bytes(network: Network, moved: bool) -> float:
    """Bytes of a second network in float32 that shares with the first what needs no change.

    Args:
        moved: whether it is put on another device, where it shares nothing.
    """
    import torch

    copied = {id(p) for _, layer in plain_layers.special(network) for p in layer.parameters()}
    total = 0
    for parameter in network.parameters():
        state = getattr(parameter, "quant_state", None)
        if moved or parameter.dtype != torch.float32 or id(parameter) in copied:
            total += parameter.numel() if state is None else state.shape.numel()
    return 4.0 * total


def mean_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean difference as a share of the spread; infinite if either is not a number."""
    # A whole difference would be two more tensors of this size.
    pieces = zip(one.flatten().split(_NUMBERS), other.flatten().split(_NUMBERS), strict=True)
    difference = sum(float((a - b).abs().sum()) for a, b in pieces) / one.numel() / float(one.std())
    return difference if difference == difference else float("inf")


def _inputs(base: Layer) -> int | None:
    """The width of a linear layer's inputs; None for a layer of another kind."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    if isinstance(base, nn.Linear):
        return int(base.in_features)
    return int(base.weight.shape[0]) if isinstance(base, Conv1D) else None

"""Adapters merged into a copy of the layers that they adapt, for the answers of a network on a GPU.

An adapted layer takes three kernels for each generated token where a plain one takes one, and a step over a few rows
costs what its kernels cost to start. The copies are what an export writes and what the parity gate compares; the
network itself keeps its weights, bit for bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from harness.core.torch_types import Layer, Network
from harness.models.layers import plain_layers
from harness.models.patch_forward import replaced


@dataclass(frozen=True)
class FoldedLayers:
    """Adapted layers, and a plain layer with the same results for each; valid while nothing is trained."""

    plain: Mapping[Layer, Layer]

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Inside the `with` block the plain layers compute in place of the adapted ones."""

        def forward(layer: Layer, *args: object, **kwargs: object) -> object:
            return self.plain[layer](*args, **kwargs)

        with replaced(self.plain, forward):
            yield


NOTHING_FOLDED = FoldedLayers({})


def fold_copies(network: Network, most_bytes: float) -> FoldedLayers:
    """Plain copies of the adapted linear layers of a network; none if they take more than `most_bytes`.

    Left to the adapters are quantized layers, whose copies would not be quantized, weights sharded over processes, and
    layers whose forward function is already replaced.
    """
    import torch

    layers = [layer for _, layer in plain_layers.adapted(network) if _is_foldable(layer)]
    weights = [plain_layers.innermost(layer).weight for layer in layers]
    if sum(weight.numel() * weight.element_size() for weight in weights) > most_bytes:
        return NOTHING_FOLDED
    with torch.no_grad():
        return FoldedLayers({layer: plain_layers.plain(layer, None).eval() for layer in layers})


def _is_foldable(layer: Layer) -> bool:
    from torch import nn

    chain = plain_layers.wrappers(layer)
    kind = cast("type", type(plain_layers.innermost(layer)))
    whole = all(type(parameter) is nn.Parameter for parameter in layer.parameters())
    changed = "forward" in vars(layer) or any(one.merged or one.disable_adapters for one in chain)
    return len(chain) == 1 and kind is nn.Linear and whole and not changed

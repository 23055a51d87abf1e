"""Bottleneck adapters inside a network: small layers after each block's two output layers.

They are not linear, so they cannot be merged into the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from harness.core.errors import RunError
from harness.core.torch_types import Layer, Network
from harness.models.layers import weights_io
from harness.models.layers.blocks import block_outputs

_FILE = "bottleneck.safetensors"
_SPREAD = 1e-2


class Bottleneck(nn.Module):
    """x → y + up(gelu(down(y))) with y = inner(x); float32, whatever the network's number format.

    Its weights are drawn from a normal distribution with standard deviation 0.01, cut off at two deviations,
    so that it begins near the identity (Houlsby et al. 2019, section 3.6).
    """

    def __init__(self, inner: nn.Module, width: int, size: int, device: torch.device) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Parameter(torch.empty(size, width, device=device))
        self.down_bias = nn.Parameter(torch.zeros(size, device=device))
        self.up = nn.Parameter(torch.empty(width, size, device=device))
        self.up_bias = nn.Parameter(torch.zeros(width, device=device))
        for matrix in (self.down, self.up):
            nn.init.trunc_normal_(matrix, std=_SPREAD, a=-2 * _SPREAD, b=2 * _SPREAD)

    def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        y: Tensor = self.inner(x, *args, **kwargs)
        hidden = gelu(linear(y.float(), self.down, self.down_bias))
        return y + linear(hidden, self.up, self.up_bias).to(y.dtype)

    def own(self) -> dict[str, nn.Parameter]:
        """Its parameters without those of the layer inside."""
        return dict(self.named_parameters(recurse=False))


def attach(network: Network, size: int, names: tuple[str, ...]) -> None:
    """Add a bottleneck of `size` after every named layer of the blocks; only these are trainable.

    Raises:
        ConfigError: the network has no layer of these names.
    """
    network.requires_grad_(False)
    for path, layer in block_outputs(network, names):
        parent, _, child = path.rpartition(".")
        wrapped = Bottleneck(layer, _width(layer), size, network.device)
        setattr(network.get_submodule(parent), child, wrapped)


def newest(network: Network) -> Iterator[tuple[str, Bottleneck]]:
    """Path and module of the bottlenecks that were added last."""
    return (
        (path, module)
        for path, module in network.named_modules()
        if isinstance(module, Bottleneck) and not path.endswith(".inner")
    )


def detach(network: Network) -> None:
    """Remove every bottleneck, which restores the network."""
    while bottlenecks := list(newest(network)):
        for path, module in bottlenecks:
            parent, _, child = path.rpartition(".")
            setattr(network.get_submodule(parent), child, module.inner)


def save(network: Network, folder: Path) -> None:
    """Write the newest bottlenecks."""
    weights_io.save(
        {f"{path}.{name}": p for path, module in newest(network) for name, p in module.own().items()},
        folder / _FILE,
    )


def load(network: Network, folder: Path) -> None:
    """Add the bottlenecks that `save` wrote.

    Raises:
        RunError: there are no bottlenecks, or they belong to another network.
    """
    from safetensors.torch import load_file

    file = folder / _FILE
    if not file.is_file():
        raise RunError(f"no adapter at {folder}")
    stored = load_file(file)
    sizes = {name.removesuffix(".down"): t.shape for name, t in stored.items() if name.endswith(".down")}
    modules = dict(network.named_modules())
    for path, (size, width) in sizes.items():
        if path not in modules or _width(modules[path]) != width:
            raise RunError(f"the adapter at {folder} does not fit this model: '{path}'")
        parent, _, child = path.rpartition(".")
        wrapped = Bottleneck(modules[path], width, size, network.device)
        setattr(network.get_submodule(parent), child, wrapped)
    weights_io.restore(network, file)
    network.requires_grad_(False)
    network.eval()


def _width(layer: Layer) -> int:
    """How many features a linear layer (adapted, quantized or transposed) outputs."""
    inner: Any = layer
    while isinstance(inner, Bottleneck):
        inner = inner.inner
    base = inner.get_base_layer() if hasattr(inner, "get_base_layer") else inner
    return int(getattr(base, "out_features", None) or base.nf)

"""A trained network as other tools load it, in float32, of which memory holds one block's weights at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.core.errors import RunError
from harness.core.torch_types import Layer, Network
from harness.models.layers import exported, plain_layers
from harness.models.layers.malloc import trim

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ByBlocks:
    """A network whose weights take no memory, and where they come from."""

    network: Network
    _weights: Mapping[int, Callable[[], Tensor]] = field(repr=False)
    """By the address of the number that stands for a weight."""

    @contextlib.contextmanager
    def weights(self, modules: Iterable[Layer]) -> Iterator[None]:
        """Inside the `with` block these modules' own tensors, without those of modules inside them, are the exported
        weights: for `harness.models.layers.block_by_block`."""
        chosen = [t for m in modules for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))]
        empty: list[tuple[Tensor, Tensor]] = []
        try:
            for tensor in chosen:
                if (weight := self._weights.get(tensor.data_ptr())) is not None:
                    empty.append((tensor, tensor.data))
                    tensor.data = weight()
            yield
        finally:
            for tensor, data in empty:
                tensor.data = data


def by_blocks(
    network: Network, *, adapters: bool = True, device: torch.device | str | None = None
) -> ByBlocks:
    """`exported.rebuilt` in float32, without memory for its weights. What `network` holds must not change while it is used.

    Args:
        adapters: merge them; if False, the result is the base under them.
        device: where its weights are put; by default where they are.

    Raises:
        RunError: the configuration does not describe a network with these weights, or loading converts them.
    """
    import torch

    where = network.device if device is None else device
    source = _Source(network, adapters, where)
    shapes = exported.tensors(network, adapters, torch.float32, "meta")
    hollow: dict[object, Tensor] = {}
    weights: dict[int, Callable[[], Tensor]] = {}
    # A name that shares an adapted layer's tensor comes after the layer's own.
    for name in sorted(shapes, key=source.is_own):
        tensor = shapes[name]
        if (key := _identity(tensor)) not in hollow:
            one = _stand_in(tensor, len(hollow), where)
            hollow[key] = one.expand(tensor.shape)
            weights[one.data_ptr()] = source.of(name, tensor)
    state = {name: hollow[_identity(tensor)] for name, tensor in shapes.items()}
    trim()  # what all layers took, one after another
    made = exported.loaded(network, state, adapters=adapters, where=where, dtype=torch.float32)
    converted = [name for name, tensor in made.state_dict().items() if tensor.data_ptr() not in weights]
    if converted:
        raise RunError(f"loading converts the weights of the exported network: {', '.join(converted[:3])}")
    return ByBlocks(network=made, _weights=weights)


def _identity(tensor: Tensor) -> object:
    """Equal for tied tensors."""
    return id(tensor) if tensor.is_meta else (tensor.data_ptr(), tensor.shape)


def _stand_in(tensor: Tensor, index: int, where: torch.device | str) -> Tensor:
    """One number in place of a tensor. Each is another, since equal tensors may be tied as they are loaded, and so large that
    a weight which is read before it is there does not go unnoticed."""
    import torch

    if tensor.is_floating_point():
        return torch.full((), (index + 1) * 1e25, device=where)
    return torch.full((), index, dtype=tensor.dtype, device=where)


class _Source:
    """The exported weights, made one layer at a time."""

    def __init__(self, network: Network, adapters: bool, where: torch.device | str) -> None:
        self._adapters, self._where = adapters, where
        self._layers = dict(plain_layers.special(network))
        self._latest: tuple[str, Mapping[str, Tensor]] | None = None

    def is_own(self, name: str) -> bool:
        """Whether a tensor is in no layer that is adapted or quantized."""
        return self._path(name) is None

    def of(self, name: str, tensor: Tensor) -> Callable[[], Tensor]:
        """How a weight is made; `tensor` is the trained network's own if that is what is exported."""
        if not tensor.is_meta:
            return lambda: self._put(tensor)
        path = self._path(name)
        if path is None:
            raise RunError(f"no layer makes '{name}'")
        return lambda: self._put(self._of_layer(path)[name.removeprefix(f"{path}.")])

    def _path(self, name: str) -> str | None:
        parents = name.split(".")
        paths = (".".join(parents[:end]) for end in range(len(parents) - 1, 0, -1))
        return next((path for path in paths if path in self._layers), None)

    def _put(self, tensor: Tensor) -> Tensor:
        import torch

        return tensor.to(self._where, torch.float32 if tensor.is_floating_point() else tensor.dtype)

    def _of_layer(self, path: str) -> Mapping[str, Tensor]:
        import torch

        if self._latest is None or self._latest[0] != path:
            self._latest = None  # memory for one layer
            plain = exported.layer_tensors(self._layers[path], self._adapters, torch.float32, torch.float32)
            self._latest = (path, plain)
        return self._latest[1]

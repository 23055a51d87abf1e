"""Keys and values of the rows being decoded: one preallocated tensor per layer."""

from __future__ import annotations

import torch
from torch import Tensor


class Store:
    """Room for `rows` sequences of `length` own tokens each.

    The active rows are always the first ones, so that a step reads views and copies nothing: when
    a row leaves, the last active one moves into its place. Layers are allocated at the first
    write, because only then their number of heads and head sizes are known.
    """

    def __init__(self, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}

    def write(self, layer: int, rows: Tensor, slots: Tensor, key: Tensor, value: Tensor) -> None:
        """Put `key`, `value` [heads, N, size] of N tokens at (`rows`, `places`), each [N]."""
        for room, states in ((self.keys, key), (self.values, value)):
            if layer not in room:
                shape = (self.rows, states.shape[0], self.length, states.shape[2])
                # Zeros, not empty: what is masked must still be finite.
                room[layer] = torch.zeros(shape, dtype=states.dtype, device=states.device)
            room[layer][rows, :, slots] = states.transpose(0, 1)

    def copy(self, row: int, slot: int, keys: dict[int, Tensor], values: dict[int, Tensor]) -> None:
        """Put keys and values [heads, N, size] of all layers at the slots of a row from `slot` on."""
        for room, states in ((self.keys, keys), (self.values, values)):
            for layer, state in states.items():
                room[layer][row, :, slot : slot + state.shape[1]] = state

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a row into another row's place."""
        for room in (self.keys, self.values):
            for states in room.values():
                states[target, :, :length] = states[source, :, :length]

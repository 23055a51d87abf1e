"""The pass that computes one token of each active row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from harness.engines.hf.attention import Part, attend_plain
from harness.engines.hf.forward_pass import Pass, Segment
from harness.engines.hf.kv_cache import Store
from harness.engines.hf.prefix_tree import Node
from harness.models.attention import Rule
from harness.models.load import computes_bfloat16

_WHOLE = {2: 3.0, 4: 1.1}
"""By bytes of a number: the whole room is read on a CPU if it is at most this much longer than the longest row. Torch's
batched products copy a part of a room before they read it."""


class Decode(Pass):
    """One token of each active row; row i of the store belongs to token i, and `above` holds the deepest
    node that each row reads in place."""

    def __init__(
        self,
        ids: Sequence[int],
        above: Sequence[Node | None],
        lengths: Sequence[int],
        store: Store,
        device: torch.device,
    ) -> None:
        starts = [0 if node is None else node.end for node in above]
        positions = [start + length - 1 for start, length in zip(starts, lengths, strict=True)]
        super().__init__(ids, positions, device)
        self.room, self.count, self.longest = store, len(ids), max(lengths)
        self.shortest = min(lengths)
        self.rows = torch.arange(len(ids), device=device)
        self.lengths = torch.tensor(lengths, device=device)
        self.segments = list(_scattered(above, positions, device))

    def store(self, layer: int, key: Tensor, value: Tensor) -> None:
        self.room.write(layer, self.rows, self.lengths - 1, key, value)

    def own(self, layer: int, query: Tensor, rule: Rule) -> Part:
        keys = self._keys(query)
        key = self.room.keys[layer][: self.count, :, :keys]
        value = self.room.values[layer][: self.count, :, :keys]
        heads, size = query.shape[0], value.shape[-1]
        mask = self._mask(("own", rule.window), lambda: self._visible(rule.window, keys))
        grouped = query.transpose(0, 1).unflatten(1, (key.shape[1], -1))
        part = attend_plain(grouped, key, value, rule, mask)
        out, lse = part.out.reshape(-1, heads, size), part.lse.reshape(-1, heads)
        return Part(out.transpose(0, 1), lse.transpose(0, 1))

    def read(self, query: Tensor, key: Tensor, value: Tensor, rule: Rule, mask: Tensor | None) -> Part:
        # For a single token per row, the CPU's fused kernel is slower in bfloat16 than two products.
        if query.device.type == "cpu" and query.dtype != torch.float32 and computes_bfloat16("cpu"):
            return attend_plain(query, key, value, rule, mask)
        return super().read(query, key, value, rule, mask)

    def _keys(self, query: Tensor) -> int:
        """How many tokens of each row's room are read."""
        more = _WHOLE.get(query.dtype.itemsize, 1.0) if query.device.type == "cpu" else 1.0
        return self.room.length if self.room.length <= more * self.longest else self.longest

    def _visible(self, window: int | None, keys: int) -> Tensor | None:
        """[rows, 1, 1, keys]: which own tokens a row's newest one sees."""
        if self.shortest == keys and (window is None or keys <= window):
            return None
        positions, last = torch.arange(keys, device=self.ids.device), self.lengths[:, None] - 1
        mask = positions <= last
        if window is not None:
            mask &= last - positions < window
        return mask[:, None, None, :]


def _scattered(
    above: Sequence[Node | None], positions: Sequence[int], device: torch.device
) -> Iterator[Segment]:
    """Segments of single tokens in any order."""
    below: dict[Node, list[int]] = {}
    for i, deepest in enumerate(above):
        for node in [] if deepest is None else deepest.chain():
            below.setdefault(node, []).append(i)
    for node, members in below.items():
        whole = len(members) == len(positions)
        yield Segment(
            node=node,
            queries=None if whole else torch.tensor(members, device=device),
            first=min(positions[i] for i in members),
            last=max(positions[i] for i in members),
        )

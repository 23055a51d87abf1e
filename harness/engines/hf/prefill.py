"""The pass that computes many tokens of each sequence: prompts, and shared stretches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from harness.engines.hf.attention import Part, attend
from harness.engines.hf.forward_pass import Pass, Piece, Segment
from harness.engines.hf.prefix_tree import Node
from harness.models.attention import Rule

Sink = Callable[[int, Tensor, Tensor], None]
"""Takes a layer's new keys and values, [heads, tokens, size] each."""


class Prefill(Pass):
    """Several tokens of each sequence; `sink` receives their keys and values."""

    def __init__(self, pieces: Sequence[Piece], device: torch.device, sink: Sink | None = None) -> None:
        lengths = [len(piece.tokens) for piece in pieces]
        spans = [range(piece.start, piece.start + len(piece.tokens)) for piece in pieces]
        ids = [token for piece in pieces for token in piece.tokens]
        super().__init__(ids, [slot for span in spans for slot in span], device)
        self.sink, self.lengths, self.longest = sink, lengths, max(lengths)
        self.ends = list(accumulate(lengths))
        self.rows = torch.tensor([i for i, n in enumerate(lengths) for _ in range(n)], device=device)
        self.places = torch.tensor([slot for n in lengths for slot in range(n)], device=device)
        self.segments = list(_contiguous(pieces, self.ends))

    def store(self, layer: int, key: Tensor, value: Tensor) -> None:
        if self.sink is not None:
            self.sink(layer, key, value)

    def own(self, layer: int, query: Tensor, rule: Rule) -> Part:
        del layer
        assert self._new is not None
        query, key, value = (self._padded(states) for states in (query, *self._new))
        mask = None
        if rule.window is not None and self.longest > rule.window:
            mask = self._mask(("own", rule.window), lambda: self._band(rule.window or 0))
        # Padding stands at the end of a sequence, where causality hides it.
        part = attend(query, key, value, rule, causal=True, mask=mask)
        return Part(self._packed(part.out.transpose(1, 2)), self._packed(part.lse.transpose(1, 2)))

    def _padded(self, states: Tensor) -> Tensor:
        """[heads, N, size] → [sequences, heads, longest, size]."""
        count = len(self.lengths)
        if min(self.lengths) == self.longest:
            rows: Tensor = states.unflatten(1, (count, self.longest))
            return rows.transpose(0, 1)
        room = states.new_zeros(count, self.longest, states.shape[0], states.shape[2])
        room[self.rows, self.places] = states.transpose(0, 1)
        return room.transpose(1, 2)

    def _packed(self, states: Tensor) -> Tensor:
        """[sequences, longest, heads, …] → [heads, N, …]."""
        if min(self.lengths) == self.longest:
            return states.flatten(0, 1).transpose(0, 1)
        return states[self.rows, self.places].transpose(0, 1)

    def _band(self, window: int) -> Tensor:
        positions = torch.arange(self.longest, device=self.ids.device)
        return positions[:, None] - positions[None, :] < window


def _contiguous(pieces: Sequence[Piece], ends: Sequence[int]) -> Iterator[Segment]:
    """Segments of pieces in tree order: those below a node are neighbors."""
    below: dict[Node, list[int]] = {}
    for i, piece in enumerate(pieces):
        for node in [] if piece.above is None else piece.above.chain():
            below.setdefault(node, []).append(i)
    for node, members in below.items():
        first, last = members[0], members[-1]
        if len(members) != last - first + 1:
            raise ValueError("pieces of one node must be neighbours")
        start = ends[first] - len(pieces[first].tokens)
        whole = len(members) == len(pieces)
        yield Segment(
            node=node,
            queries=None if whole else slice(start, ends[last]),
            first=min(pieces[i].start for i in members),
            last=max(pieces[i].start + len(pieces[i].tokens) - 1 for i in members),
        )

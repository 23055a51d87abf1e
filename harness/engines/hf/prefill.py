"""The pass that computes many tokens of each sequence: prompts, and shared stretches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from harness.engines.hf.attention import Part, attend
from harness.engines.hf.forward_pass import Pass, Segment
from harness.engines.hf.padded_blocks import PaddedBlock, blocks
from harness.engines.hf.prefix_tree import Node, Piece
from harness.models.attention import Rule

Sink = Callable[[int, Tensor, Tensor], None]
"""Takes a layer's new keys and values, [heads, tokens, size] each."""


class Prefill(Pass):
    """Several tokens of each sequence; `sink` receives their keys and values.

    Nodes above a piece that are not read in place are put before its own keys: one product for all pieces
    instead of one for each node.
    """

    def __init__(self, pieces: Sequence[Piece], device: torch.device, sink: Sink | None = None) -> None:
        lengths = [len(piece.tokens) for piece in pieces]
        spans = [range(piece.start, piece.start + len(piece.tokens)) for piece in pieces]
        ids = [token for piece in pieces for token in piece.tokens]
        super().__init__(ids, [slot for span in spans for slot in span], device)
        self.sink, self.lengths = sink, lengths
        self.ends = list(accumulate(lengths))
        self.rows = torch.tensor([i for i, n in enumerate(lengths) for _ in range(n)], device=device)
        self.places = torch.tensor([slot for n in lengths for slot in range(n)], device=device)
        self.segments = list(_contiguous(pieces, self.ends))
        copied = [[] if piece.above is None else piece.above.copied_part() for piece in pieces]
        self.before = [sum(len(node.tokens) for node in nodes) for nodes in copied]
        self.copied = list(dict.fromkeys(node for nodes in copied for node in nodes))
        self.blocks = blocks(lengths, self.before, device)
        self.contexts = self._contexts(copied) if self.copied else None
        packed = torch.cat([block.tokens for block in self.blocks])
        self.order = packed.argsort() if len(self.blocks) > 1 else None

    def store(self, layer: int, key: Tensor, value: Tensor) -> None:
        if self.sink is not None:
            self.sink(layer, key, value)

    def own(self, layer: int, query: Tensor, rule: Rule) -> Part:
        keys, values = self._keys_and_values(layer)
        parts = [self._own(number, query, keys, values, rule) for number in range(len(self.blocks))]
        if self.order is None:
            return parts[0]
        return Part(
            torch.cat([part.out for part in parts], 1)[:, self.order],
            torch.cat([part.lse for part in parts], 1)[:, self.order],
        )

    def _own(self, number: int, query: Tensor, keys: Tensor, values: Tensor, rule: Rule) -> Part:
        """Attention of the tokens of one block, in the block's order."""
        block = self.blocks[number]
        if self.contexts is None:
            key, value = block.pad(keys), block.pad(values)
        else:
            key, value = (states[:, self.contexts[number]].transpose(0, 1) for states in (keys, values))
        mask = None
        if self.contexts is not None or (rule.window is not None and block.longest > rule.window):
            mask = self._mask(
                ("own", number, rule.window), lambda: self._visible(block, rule.window, key.shape[2])
            )
        # Padding stands at the end of a sequence, where causality hides it.
        part = attend(block.pad(query), key, value, rule, causal=mask is None, mask=mask)
        return Part(block.pack(part.out.transpose(1, 2)), block.pack(part.lse.transpose(1, 2)))

    def _visible(self, block: PaddedBlock, window: int | None, keys: int) -> Tensor:
        """[sequences, 1, longest, keys]: which keys a token sees, of those copied before it and its own."""
        device = self.ids.device
        before = torch.tensor([self.before[i] for i in block.members], device=device)[:, None, None]
        at = torch.arange(block.longest, device=device)[:, None] + before
        distance = at - torch.arange(keys, device=device)
        visible = distance >= 0 if window is None else (distance >= 0) & (distance < window)
        return visible[:, None]

    def _keys_and_values(self, layer: int) -> tuple[Tensor, Tensor]:
        """[heads, tokens, size] each: copied nodes, then the pass's own tokens."""
        assert self._new is not None
        key, value = self._new
        if self.contexts is None:
            return key, value
        keys = torch.cat([*(node.keys[layer] for node in self.copied), key], 1)
        values = torch.cat([*(node.values[layer] for node in self.copied), value], 1)
        return keys, values

    def _contexts(self, copied: Sequence[Sequence[Node]]) -> list[Tensor]:
        """For each block, [sequences, longest]: where the keys that each sequence sees stand, in all copied nodes
        followed by the pass's own tokens. Padding is the first key, which is finite."""
        *begins, own = accumulate((len(node.tokens) for node in self.copied), initial=0)
        first = dict(zip(self.copied, begins, strict=True))
        rows = [
            [slot for node in nodes for slot in range(first[node], first[node] + len(node.tokens))]
            + list(range(own + end - length, own + end))
            for nodes, end, length in zip(copied, self.ends, self.lengths, strict=True)
        ]
        contexts = []
        for block in self.blocks:
            longest = max(len(rows[i]) for i in block.members)
            padded = [rows[i] + [0] * (longest - len(rows[i])) for i in block.members]
            contexts.append(torch.tensor(padded, device=self.ids.device))
        return contexts


def _contiguous(pieces: Sequence[Piece], ends: Sequence[int]) -> Iterator[Segment]:
    """Segments of pieces in tree order: those below a node are neighbors."""
    below: dict[Node, list[int]] = {}
    for i, piece in enumerate(pieces):
        for node in [] if piece.above is None else piece.above.chain():
            if not node.in_place:
                break
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

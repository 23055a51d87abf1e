"""Sequences of a pass whose attention is one product, padded to the longest of them.

Linear layers see a pass without padding, but attention to a sequence's own tokens does not: sequences of 20 tokens beside
one of 200 would cost ten times what they need. So sequences of similar lengths are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_OVERHEAD = {"cpu": 1 << 12}
"""Scores, counted over one head, that take as long as one more product does."""
_LAUNCHED = 1 << 22
"""The same where products are launched one by one, as on a GPU."""


@dataclass(frozen=True)
class PaddedBlock:
    """Some sequences of a pass, in its order.

    `members` are their numbers in the pass, `tokens` [tokens] the places of their tokens in it. `rows` and `places`
    [tokens] say where each of these stands after padding: which sequence, and which place in that. `longest` is the
    largest number of tokens.
    """

    members: tuple[int, ...]
    tokens: Tensor
    rows: Tensor
    places: Tensor
    longest: int
    even: bool
    """Whether all have the same number of tokens, so that there is no padding."""

    def pad(self, states: Tensor) -> Tensor:
        """[heads, all tokens of the pass, size] → [sequences, heads, longest, size]."""
        own = states[:, self.tokens]
        if self.even:
            rows: Tensor = own.unflatten(1, (len(self.members), self.longest))
            return rows.transpose(0, 1)
        room = states.new_zeros(len(self.members), self.longest, states.shape[0], states.shape[2])
        room[self.rows, self.places] = own.transpose(0, 1)
        return room.transpose(1, 2)

    def pack(self, states: Tensor) -> Tensor:
        """[sequences, longest, heads, …] → [heads, tokens of the block, …]."""
        if self.even:
            return states.flatten(0, 1).transpose(0, 1)
        return states[self.rows, self.places].transpose(0, 1)


def blocks(lengths: Sequence[int], before: Sequence[int], device: torch.device) -> list[PaddedBlock]:
    """The blocks of a pass in which sequence i has `lengths[i]` tokens that see `before[i]` earlier ones, too."""
    overhead = _OVERHEAD.get(device.type, _LAUNCHED)
    firsts = [sum(lengths[:i]) for i in range(len(lengths))]
    return [_block(members, lengths, firsts, device) for members in _similar(lengths, before, overhead)]


def _similar(lengths: Sequence[int], before: Sequence[int], overhead: int) -> list[list[int]]:
    """The numbers of sequences that are computed together: of all ways to cut the sequences, sorted by their length,
    the one with the fewest scores, each cut costing `overhead` more."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], before[i]))
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(order) + 1):
        keys, choices = 0, []
        for start in range(end - 1, -1, -1):
            keys = max(keys, lengths[order[start]] + before[order[start]])
            scores = (end - start) * lengths[order[end - 1]] * keys
            choices.append((best[start][0] + scores + overhead, start))
        best.append(min(choices))
    groups, end = [], len(order)
    while end:
        start = best[end][1]
        groups.append(sorted(order[start:end]))
        end = start
    return groups


def _block(
    members: Sequence[int], lengths: Sequence[int], firsts: Sequence[int], device: torch.device
) -> PaddedBlock:
    own = [lengths[i] for i in members]

    def indices(values: list[int]) -> Tensor:
        return torch.tensor(values, device=device)

    return PaddedBlock(
        members=tuple(members),
        tokens=indices([firsts[i] + slot for i in members for slot in range(lengths[i])]),
        rows=indices([row for row, length in enumerate(own) for _ in range(length)]),
        places=indices([slot for length in own for slot in range(length)]),
        longest=max(own),
        even=min(own) == max(own),
    )

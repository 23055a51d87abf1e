"""One forward pass over many sequences at once, packed end to end without padding.

The network sees a single row of tokens, so its linear layers compute nothing but tokens; the
attention function asks the pass which token sees which keys. To transformers a pass is a cache:
`update` receives the new keys and values of a layer just before that layer's attention.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from transformers import Cache

from harness.core.torch_types import Network
from harness.engines.hf.attention import Part, attend, fold, merge, unfold
from harness.engines.hf.prefix_tree import Node
from harness.models.attention import Rule


@dataclass(frozen=True)
class Segment:
    """A shared node, and which of the pass's tokens come after it (None: all)."""

    node: Node
    queries: slice | Tensor | None
    first: int
    last: int
    """Lowest and highest position among these tokens."""


class Pass(Cache):
    """What all passes share: token ids [N], their positions [N], and the nodes they see."""

    def __init__(self, ids: Sequence[int], positions: Sequence[int], device: torch.device) -> None:
        super().__init__(layers=[])
        self.ids = torch.tensor(ids, device=device)
        self.positions = torch.tensor(positions, device=device)
        self.segments: list[Segment] = []
        self._masks: dict[Hashable, Tensor | None] = {}
        self._new: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        self._new = key_states[0], value_states[0]
        self.store(layer_idx, *self._new)
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """No length that a network could derive positions from: a pass supplies them."""
        del layer_idx
        return 0

    @abstractmethod
    def store(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Keep what later passes will read."""

    @abstractmethod
    def own(self, layer: int, query: Tensor, rule: Rule) -> Part:
        """Attention of each token to its own sequence."""

    def read(self, query: Tensor, key: Tensor, value: Tensor, rule: Rule, mask: Tensor | None) -> Part:
        """Attention of many tokens to one shared stretch."""
        return attend(query, key, value, rule, mask=mask)

    def attend(self, layer: int, query: Tensor, rule: Rule) -> Tensor:
        """Attention output [heads, N, size] of a layer's `query` [heads, N, size]."""
        attended = self.own(layer, query, rule)
        for number, segment in enumerate(self.segments):
            if rule.window is not None and segment.first - segment.node.end + 1 >= rule.window:
                continue
            key, value = segment.node.keys[layer], segment.node.values[layer]
            chosen = query if segment.queries is None else query[:, segment.queries]
            name = (number, rule.window, query.shape[0] // key.shape[0])
            mask = self._mask(name, partial(_window, segment, rule.window, self.positions, name[2]))
            part = self.read(fold(chosen, key.shape[0]), key[None], value[None], rule, mask)
            attended = _joined(attended, unfold(part, query.shape[0]), segment.queries)
        return attended.out.to(query.dtype)

    def _mask(self, name: Hashable, make: Callable[[], Tensor | None]) -> Tensor | None:
        """A mask made once and used by every layer."""
        if name not in self._masks:
            self._masks[name] = make()
        return self._masks[name]


ACTIVE: ContextVar[Pass] = ContextVar("active pass")


def forward(network: Network, run: Pass, keep: Tensor) -> Tensor:
    """Logits [len(keep), vocabulary] of the tokens at places `keep` of a pass."""
    token = ACTIVE.set(run)
    try:
        output = network(
            input_ids=run.ids[None],
            position_ids=run.positions[None],
            past_key_values=run,
            use_cache=True,
            logits_to_keep=keep,
        )
    finally:
        ACTIVE.reset(token)
    logits: Tensor = output.logits[0]
    return logits


def _joined(attended: Part, part: Part, at: slice | Tensor | None) -> Part:
    """`seen` with the tokens `at` (None: all) having also seen `part`."""
    if at is None:
        return merge(attended, part)
    both = merge(Part(attended.out[:, at], attended.lse[:, at]), part)
    attended = Part(attended.out.to(both.out.dtype), attended.lse)
    attended.out[:, at], attended.lse[:, at] = both
    return attended


def _window(segment: Segment, window: int | None, positions: Tensor, groups: int) -> Tensor | None:
    """Which tokens of a node the (folded) queries see through a sliding window; None: all."""
    node = segment.node
    if window is None or segment.last - node.start < window:
        return None
    key_positions = torch.arange(node.start, node.end, device=positions.device)
    queries = positions if segment.queries is None else positions[segment.queries]
    return (queries[:, None] - key_positions[None, :] < window).repeat(groups, 1)

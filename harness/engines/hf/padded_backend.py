"""Rows left-padded to one length, for networks that do not support shared prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.core.torch_types import Network
from harness.engines.hf.sequence import DecodingSequence


class PaddedBackend:
    """A batch that only shrinks, over transformers' own cache and attention.

    `switching_length` is the length beyond which the network's rotary frequencies change: a row that reaches
    it while it is decoded is computed anew from its first token, as its cached keys no longer fit.
    """

    refills = False

    def __init__(self, network: Network, switching_length: int | None = None) -> None:
        self.network, self.device = network, network.device
        self._switching_length = switching_length
        self.active: list[DecodingSequence] = []
        self._places: list[int] = []
        self._cache: Any = None

    def add(self, rows: Sequence[DecodingSequence]) -> Tensor:
        """Compute whole prompts; logits [rows, vocabulary] of what comes next."""
        self.active, self._places, self._cache = list(rows), list(range(len(rows))), None
        whole = [row.prompt + row.generated_ids for row in rows]
        longest = max(map(len, whole))
        pads = [longest - len(ids) for ids in whole]
        # Any id serves as padding: the mask hides it, and position 0 is harmless.
        ids = [[0] * pad + own for pad, own in zip(pads, whole, strict=True)]
        mask = [[0] * pad + [1] * (longest - pad) for pad in pads]
        self._mask = torch.tensor(mask, device=self.device)
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        return self._forward(torch.tensor(ids, device=self.device))

    def step(self) -> Tensor:
        """Compute the newest token of every active row; logits of what comes next."""
        if any(len(row.prompt) + len(row.generated_ids) - 1 == self._switching_length for row in self.active):
            return self.add(self.active)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], 1)
        self._positions = self._positions[:, -1:] + 1
        newest = torch.zeros(len(self._mask), 1, dtype=torch.long)
        newest[self._places, 0] = torch.tensor([row.generated_ids[-1] for row in self.active])
        return self._forward(newest.to(self.device))

    def remove(self, done: Sequence[DecodingSequence]) -> None:
        """Remove rows."""
        stay = [i for i, row in enumerate(self.active) if row not in done]
        self.active = [self.active[i] for i in stay]
        self._places = [self._places[i] for i in stay]
        # Caches of recurrent layers cannot drop rows: finished rows are computed with the rest.
        if self.active and all(hasattr(layer, "batch_select_indices") for layer in self._cache.layers):
            # On the host: layers may be on several devices, and an index of another device is refused.
            kept = torch.tensor(self._places)
            self._mask, self._positions = self._mask[kept], self._positions[kept]
            self._cache.batch_select_indices(kept)
            self._places = list(range(len(self.active)))

    def _more(self) -> dict[str, object]:
        """Extra arguments of the network, for as many rows as `_mask` has."""
        return {}

    def _forward(self, ids: Tensor) -> Tensor:
        output = self.network(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **self._more(),
        )
        self._cache = output.past_key_values
        logits: Tensor = output.logits[self._places, -1]
        return logits

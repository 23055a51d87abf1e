"""Rows of an encoder-decoder: prompts are encoded once, padded, and the decoder generates the answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from harness.core.torch_types import Network
from harness.engines.hf.sequence import DecodingSequence
from harness.models.architecture import base_of, decoder_start


class EncodedBackend:
    """A batch that only shrinks, over transformers' own encoder, cache and attention."""

    refills = False

    def __init__(self, network: Network) -> None:
        self.network, self.device = network, network.device
        self.active: list[DecodingSequence] = []
        self._start = decoder_start(base_of(network))
        self._forced = getattr(base_of(network).generation_config, "forced_bos_token_id", None)
        self._cache: Any = None

    def add(self, rows: Sequence[DecodingSequence]) -> Tensor:
        """Encode whole prompts; logits [rows, vocabulary] of the first token of each answer.

        Interrupted rows restart their answers: all rows of a batch are at the same position.
        """
        self.active, self._cache = list(rows), None
        for row in rows:
            row.restart()
        ids, self._mask = padded([row.prompt for row in rows], self.device)
        self._states = base_of(self.network).get_encoder()(input_ids=ids, attention_mask=self._mask)[0]
        logits = self._forward(torch.full((len(rows), 1), self._start, device=self.device))
        if self._forced is not None:
            # As transformers.generate does: some models were trained to begin with a certain token.
            forced = torch.full_like(logits, -torch.inf)
            forced[:, self._forced] = 0
            return forced
        return logits

    def step(self) -> Tensor:
        """Compute the newest token of every active row; logits of what comes next."""
        newest = [[row.generated_ids[-1]] for row in self.active]
        return self._forward(torch.tensor(newest, device=self.device))

    def remove(self, done: Sequence[DecodingSequence]) -> None:
        """Remove rows."""
        stay = [i for i, row in enumerate(self.active) if row not in done]
        self.active = [self.active[i] for i in stay]
        if self.active:
            kept = torch.tensor(stay)  # on the host, as for `PaddedBackend`
            self._mask, self._states = self._mask[kept], self._states[kept]
            self._cache.batch_select_indices(kept)

    def _forward(self, ids: Tensor) -> Tensor:
        output = self.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=ids,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = output.past_key_values
        logits: Tensor = output.logits[:, -1]
        return logits


def answer_logits(
    network: Network, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Logits [answer, vocabulary] of each answer's tokens, given its prompt and the tokens before."""
    ids, mask = padded(prompts, network.device)
    start = decoder_start(base_of(network))
    before, _ = padded([[start, *answer[:-1]] for answer in answers], network.device)
    # Padding of the decoder is on the right, where its causal attention never looks.
    logits = network(input_ids=ids, attention_mask=mask, decoder_input_ids=before, use_cache=False).logits
    return [logits[i, : len(answer)] for i, answer in enumerate(answers)]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids padded on the right, and a mask of where they are: both [rows, longest]."""
    longest = max(map(len, rows))
    ids = [[*row, *[0] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

"""The next token of each row, from its logits: greedy, sampled, or constrained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.engines.hf.constrain import forbid
from harness.engines.hf.sequence import DecodingSequence


def choose(logits: Tensor, rows: Sequence[DecodingSequence]) -> list[int]:
    """One token a row from `logits` [rows, vocabulary].

    A row samples with its own generator, so its answer does not depend on its neighbors.
    """
    logits = logits.float()
    held = {i: row.matcher for i, row in enumerate(rows) if row.matcher is not None}
    if held:
        logits = logits.clone()
        constrained = list(held)
        logits[constrained] = forbid(logits[constrained], list(held.values()))
    tokens: list[int] = logits.argmax(-1).tolist()
    for i, row in enumerate(rows):
        if row.sampler is not None:
            chances = (logits[i] / row.request.temperature).softmax(-1).cpu()
            tokens[i] = int(torch.multinomial(chances, 1, generator=row.sampler))
    return tokens

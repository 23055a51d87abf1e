"""The next token of each row, from its logits: greedy, sampled, or constrained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    samplers = {i: row.sampler for i, row in enumerate(rows) if row.sampler is not None}
    if samplers and logits.device.type != "cpu":
        return _sampled(logits, rows, samplers)
    tokens: list[int] = logits.argmax(-1).tolist()
    for i, sampler in samplers.items():
        chances = (logits[i] / rows[i].request.temperature).softmax(-1)
        tokens[i] = int(torch.multinomial(chances, 1, generator=sampler))
    return tokens


def _sampled(
    logits: Tensor, rows: Sequence[DecodingSequence], samplers: Mapping[int, torch.Generator]
) -> list[int]:
    """The same on a device, in one call for all rows: a row's generator draws one number, which picks a token by the
    sums of the chances (inverse transform sampling). Only numbers and tokens cross to and from the host."""
    device, places = logits.device, list(samplers)
    numbers = [torch.rand((), generator=sampler, dtype=torch.float64) for sampler in samplers.values()]
    drawn = torch.tensor([float(number) for number in numbers], device=device)
    temperatures = torch.tensor([rows[i].request.temperature for i in places], device=device)
    chosen = logits if len(places) == len(rows) else logits[torch.tensor(places, device=device)]
    chances = chosen.div(temperatures[:, None]).softmax(-1)
    sums = chances.cumsum(-1)
    total = sums[:, -1]
    level = torch.minimum(drawn * total, torch.nextafter(total, torch.zeros_like(total)))
    tokens = torch.searchsorted(sums, level[:, None], right=True)
    # Sums are rounded: what has no chance, because a grammar forbids it, is never picked for that.
    tokens = torch.where(chances.gather(1, tokens) > 0, tokens, chances.argmax(-1, keepdim=True))[:, 0]
    if len(places) == len(rows):
        drawn_tokens: list[int] = tokens.tolist()
        return drawn_tokens
    mixed: list[int] = logits.argmax(-1).index_copy_(0, torch.tensor(places, device=device), tokens).tolist()
    return mixed

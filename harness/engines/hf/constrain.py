"""Decoding constrained to a language (JSON Schema, regex, choices) by llguidance's token masks.

https://github.com/guidance-ai/llguidance
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.core.protocols import Chat
from harness.core.torch_types import Tokenizer
from harness.core.values import Constraint
from harness.engines.grammar import grammar

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer


class Constrainer:
    """Makes a fresh matcher for each row; tokenizer and grammars are prepared once.

    Raises:
        ValueError: the language cannot be compiled; the message says why.
    """

    def __init__(self, chat: Chat, vocabulary: int) -> None:
        tokenizer = chat.tokenizer
        if tokenizer is None:
            raise ValueError("constrained decoding needs a chat with a fast transformers tokenizer")
        self._tokenizer = _tokenizer(tokenizer, vocabulary, tuple(sorted(chat.eos_ids)))
        self._matchers: dict[str, LLMatcher] = {}

    def matcher(self, constraint: Constraint) -> LLMatcher:
        """A matcher at the start of the language."""
        name = json.dumps([constraint.kind, constraint.value])
        if name not in self._matchers:
            self._matchers[name] = grammar(constraint, self._tokenizer).matcher
        return self._matchers[name].deep_copy()


_TOKENIZERS: weakref.WeakKeyDictionary[Tokenizer, dict[tuple[int, tuple[int, ...]], LLTokenizer]] = (
    weakref.WeakKeyDictionary()
)


def _tokenizer(tokenizer: Tokenizer, vocabulary: int, eos_ids: tuple[int, ...]) -> LLTokenizer:
    """llguidance's view of a tokenizer, which takes about a second to make for a large vocabulary."""
    from llguidance.hf import from_tokenizer

    known = _TOKENIZERS.setdefault(tokenizer, {})
    if (vocabulary, eos_ids) not in known:
        known[vocabulary, eos_ids] = from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=list(eos_ids))
    return known[vocabulary, eos_ids]


def forbid(logits: Tensor, matchers: Sequence[LLMatcher]) -> Tensor:
    """`logits` [rows, vocabulary] with -inf at the tokens that each row's language forbids."""
    from llguidance.numpy import fill_next_token_bitmask

    width = logits.shape[1]
    mask = np.full((len(matchers), (width + 31) // 32), -1, dtype=np.int32)
    for i, matcher in enumerate(matchers):
        fill_next_token_bitmask(matcher, mask, i)
    if logits.device.type == "cpu":
        bits = np.unpackbits(mask.view(np.uint8), axis=1, bitorder="little")[:, :width]
        return logits.masked_fill(torch.from_numpy(bits) == 0, -torch.inf)
    # Unpacked where it is used: a bit a token crosses to the device, not a byte.
    words = torch.from_numpy(mask).to(logits.device)
    places = torch.arange(32, dtype=torch.int32, device=logits.device)
    allowed = words.unsqueeze(-1).bitwise_right_shift(places).bitwise_and(1).flatten(1)[:, :width]
    return logits.masked_fill(allowed == 0, -torch.inf)

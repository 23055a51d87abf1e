"""Plain documents as training rows: complete, in windows, or with the middle removed for infilling."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.core.errors import ConfigError
from harness.core.protocols import Chat
from harness.core.values import Document
from harness.training.tokenized import TokenizedExample

KNOWN = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
)
"""Special tokens of Qwen and CodeGemma, StarCoder, SantaCoder, DeepSeek-Coder and Code Llama. A
tokenizer with none of them spells the first line out as ordinary text."""


@dataclass(frozen=True)
class Sentinels:
    """What marks the parts of a document with a hole, as token ids."""

    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    middle: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prefix) + len(self.suffix) + len(self.middle)


@dataclass(frozen=True)
class Window:
    """Part of a document: `lead` (a BOS, or nothing), its own tokens, and `end` if the document ends
    there."""

    name: str
    lead: tuple[int, ...]
    body: tuple[int, ...]
    end: tuple[int, ...]

    def row(self) -> TokenizedExample:
        """The window unchanged, with a loss on every token."""
        return self._learned((*self.lead, *self.body, *self.end))

    def infilled(
        self, marks: Sentinels, order: Literal["psm", "spm"], generator: random.Random
    ) -> TokenizedExample:
        """The window with a random middle part moved to the end, with a loss on every token.

        The two cuts are uniform over token positions. `psm`: prefix, suffix, middle; `spm`: the
        suffix first, in the paper's form that also serves `psm` prompts.
        """
        first, second = sorted(generator.randint(0, len(self.body)) for _ in range(2))
        before, middle, after = self.body[:first], self.body[first:second], self.body[second:]
        parts = (marks.prefix, before, marks.suffix, after, marks.middle)
        if order == "spm":
            parts = (marks.prefix, marks.suffix, after, marks.middle, before)
        moved = (i for part in (*parts, middle, self.end) for i in part)
        return self._learned((*self.lead, *moved))

    def _learned(self, ids: tuple[int, ...]) -> TokenizedExample:
        return TokenizedExample(self.name, ids, (1.0,) * len(ids))


def windows(documents: Sequence[Document], chat: Chat, longest: int) -> list[Window]:
    """Documents cut into windows of at most `longest` tokens, without overlap."""
    lead = (*chat.lead, *(() if chat.bos_id is None else (chat.bos_id,)))
    end = tuple(chat.encode_answer(""))
    room = max(1, longest - len(lead) - len(end))
    stretches = []
    for document in documents:
        whole = chat.encode_answer(f"{document.title}\n\n{document.text}".strip())
        body = tuple(whole[: len(whole) - len(end)])
        pieces = [body[i : i + room] for i in range(0, len(body), room)]
        for n, piece in enumerate(pieces):
            name = document.id if len(pieces) == 1 else f"{document.id}#{n}"
            stretches.append(Window(name, lead, piece, end if n == len(pieces) - 1 else ()))
    # A window of one token has nothing to predict.
    return [window for window in stretches if len(window.row()) > 1]


def sentinels(chat: Chat) -> Sentinels:
    """The tokenizer's own infilling tokens, or their names spelled out as text.

    Raises:
        ConfigError: the chat has no tokenizer.
    """
    tokenizer = chat.tokenizer
    if tokenizer is None:
        raise ConfigError("infilling needs a model with a tokenizer", remedy="use continued_pretraining")
    vocabulary = tokenizer.get_vocab()
    for names in KNOWN:
        if all(name in vocabulary for name in names):
            return Sentinels(*((vocabulary[name],) for name in names))
    return Sentinels(*(tuple(tokenizer(name, add_special_tokens=False)["input_ids"]) for name in KNOWN[0]))

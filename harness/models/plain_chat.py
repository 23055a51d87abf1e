"""Prompts of models without a chat format: plain text with the special tokens that the tokenizer adds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cached_property

from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.tools import as_text
from harness.core.torch_types import Tokenizer
from harness.core.values import Message
from harness.models.special_tokens import encoded, names_special

_MARKS = {"user": "Input: ", "assistant": "Answer: "}


class PlainChat:
    """`core.protocols.Chat` of encoders and encoder-decoders without a chat template.

    A prompt and an answer each get the special tokens that the tokenizer puts around any text ([CLS]
    and [SEP], or </s>), as these models were pretrained. No template and no stop string is in use.
    `longest` is the most tokens that the tokenizer allows.
    """

    template = ""
    settings: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    lead: tuple[int, ...] = ()
    takes_system = True
    takes_tools = False

    def __init__(self, tokenizer: Tokenizer, eos_ids: Iterable[int] = (), longest: int = sys.maxsize) -> None:
        self.tokenizer, self.longest = tokenizer, longest
        candidates = {*eos_ids, tokenizer.eos_token_id, *self._ids("")[-1:]}
        self.eos_ids: frozenset[int] = frozenset(i for i in candidates if i is not None)
        if not self.eos_ids:
            raise ConfigError(
                "the model has no end-of-sequence token", remedy="set eos_token in its tokenizer"
            )
        bos = tokenizer.bos_token_id
        self.bos_id: int | None = bos if self._ids("a").count(bos) == 1 else None

    @cached_property
    def vocabulary(self) -> str:
        """A short hash of which token has which id."""
        return digest(sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1]))[:12]

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a prompt."""
        return self._ids(plain_text(messages))

    def encode_answer(self, text: str) -> list[int]:
        """Token ids of an answer, with the special tokens that the tokenizer ends a text with."""
        ids = self._ids(text)
        return ids if ids[-1:] and ids[-1] in self.eos_ids else [*ids, min(self.eos_ids)]

    def configured(self, thinking: bool, date: str) -> PlainChat:
        """A prompt without a template has no place for either."""
        return self

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer, special tokens left out."""
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def show(self, ids: Sequence[int]) -> str:
        """Text of a prompt, special tokens shown."""
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )

    def _ids(self, text: str) -> list[int]:
        return encoded(
            self.tokenizer, text, add_special_tokens=True, as_text=names_special(self.tokenizer, text)
        )


def plain_text(messages: Sequence[Message]) -> str:
    """A prompt as one text. Roles are written only if examples are shown, to separate them."""
    messages = as_text(messages)
    shown = any(message.role == "assistant" for message in messages)
    parts = [(_MARKS.get(m.role, "") if shown else "") + m.content for m in messages if m.content]
    return "\n\n".join([*parts, "Answer:"] if shown else parts)

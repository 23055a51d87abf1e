"""A chat that renders and tokenizes the same text once.

A prompt's length is needed to see whether it fits the context and how much memory it takes; its token ids are needed
to train on it, to compare training with evaluation, to score dev after each epoch, and to ask it.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from harness.core.protocols import Chat
from harness.core.torch_types import Tokenizer
from harness.core.values import Message

MOST_TOKENS = 2_000_000
"""Token ids that are kept: 16 MB. Beyond that the texts that were needed longest ago are forgotten."""

Key = TypeVar("Key", bound=Hashable)


class RememberingChat:
    """`core.protocols.Chat` over `inner`, which encodes each prompt and each answer once."""

    def __init__(self, inner: Chat) -> None:
        self.inner = inner
        self.eos_ids, self.bos_id = inner.eos_ids, inner.bos_id
        self._prompts: _Encoded[tuple[Message, ...]] = _Encoded()
        self._answers: _Encoded[str] = _Encoded()

    @property
    def tokenizer(self) -> Tokenizer:
        return self.inner.tokenizer

    @property
    def template(self) -> str:
        return self.inner.template

    @property
    def stop(self) -> tuple[str, ...]:
        return self.inner.stop

    @property
    def lead(self) -> tuple[int, ...]:
        return self.inner.lead

    @property
    def settings(self) -> tuple[str, ...]:
        return self.inner.settings

    @property
    def vocabulary(self) -> str:
        return self.inner.vocabulary

    def configured(self, thinking: bool, date: str) -> RememberingChat:
        return RememberingChat(self.inner.configured(thinking, date))

    def encode(self, messages: Sequence[Message]) -> list[int]:
        key = tuple(messages)
        ids = self._prompts.get(key)
        return self._prompts.put(key, self.inner.encode(messages)) if ids is None else ids

    def encode_answer(self, text: str) -> list[int]:
        ids = self._answers.get(text)
        return self._answers.put(text, self.inner.encode_answer(text)) if ids is None else ids

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(ids)

    def show(self, ids: Sequence[int]) -> str:
        return self.inner.show(ids)


def innermost(chat: Chat) -> Chat:
    """The chat itself, without a memory around it."""
    return innermost(chat.inner) if isinstance(chat, RememberingChat) else chat


class _Encoded(Generic[Key]):
    """Token ids by text, at most `MOST_TOKENS` of them."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, array[int]] = OrderedDict()
        self._tokens = 0

    def get(self, key: Key) -> list[int] | None:
        ids = self._known.get(key)
        if ids is None:
            return None
        self._known.move_to_end(key)
        return ids.tolist()

    def put(self, key: Key, ids: list[int]) -> list[int]:
        self._known[key] = array("q", ids)
        self._tokens += len(ids)
        while self._tokens > MOST_TOKENS and len(self._known) > 1:
            _, oldest = self._known.popitem(last=False)
            self._tokens -= len(oldest)
        return ids

"""Plain completion without a chat format: only end-of-sequence tokens stop an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.protocols import Chat, LanguageModel
from harness.core.values import Message


class RawChat:
    """`core.protocols.Chat` of a benchmark: no string ends a turn, because there are no turns.

    `lead` is the model's learned prompt, if it has one; `tokenizer` is the model's own.
    """

    def __init__(self, inner: Chat, eos_ids: frozenset[int]) -> None:
        self.inner = inner
        self.eos_ids = eos_ids
        self.bos_id = inner.bos_id
        self.lead, self.tokenizer, self.template = inner.lead, inner.tokenizer, inner.template
        self.stop: tuple[str, ...] = ()

    @property
    def vocabulary(self) -> str:
        return self.inner.vocabulary

    @property
    def settings(self) -> tuple[str, ...]:
        return self.inner.settings

    def configured(self, thinking: bool, date: str) -> RawChat:
        return RawChat(self.inner.configured(thinking, date), self.eos_ids)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return self.inner.encode(messages)

    def encode_answer(self, text: str) -> list[int]:
        return self.inner.encode_answer(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self.inner.decode(ids)

    def show(self, ids: Sequence[int]) -> str:
        return self.inner.show(ids)


def raw(model: LanguageModel) -> tuple[LanguageModel, RawChat]:
    """The same model, which ends its answers where `transformers.generate` would."""
    from harness.models.architecture import base_of

    generation = getattr(base_of(model.network), "generation_config", None)
    ends = getattr(generation, "eos_token_id", None)
    ids = {ends} if isinstance(ends, int) else set(ends or ())
    ids.add(model.chat.tokenizer.eos_token_id)
    chat = RawChat(model.chat, frozenset(i for i in ids if i is not None))
    return replace(model, chat=chat), chat

"""A model pool for training one base many times: it is read once, and texts are tokenized once."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any

from harness.core.keys import digest
from harness.core.protocols import Chat, LanguageModel
from harness.core.recipes import Recipe
from harness.core.torch_types import Network
from harness.core.values import Message
from harness.runner.model_pool import ModelPool

MOST_BYTES = 4e9
"""Largest base that is copied; a larger one is read again for each trial, because two copies might not fit
into memory."""


class SearchWorkbench(ModelPool):
    """Hands out copies of one pristine base, which never trains."""

    _pristine: tuple[str, LanguageModel] | None = None

    def base(self, spec: str, recipe: Recipe, *, fresh: bool = False) -> LanguageModel:
        if not fresh or not recipe.base.copyable:
            return super().base(spec, recipe, fresh=fresh)
        key = digest([spec, recipe.base.identity()])
        if self._pristine is None or self._pristine[0] != key:
            model: LanguageModel = recipe.base.load(spec)
            if _bytes(model.network) > MOST_BYTES:
                return model
            self._pristine = (key, dataclasses.replace(model, chat=RememberingChat(model.chat)))
        pristine = self._pristine[1]
        return dataclasses.replace(pristine, network=copy.deepcopy(pristine.network))


class RememberingChat:
    """A chat that encodes the same messages or answer once; everything else is the inner one's."""

    def __init__(self, inner: Chat) -> None:
        self._inner = inner
        self._prompts: dict[tuple[Message, ...], list[int]] = {}
        self._answers: dict[str, list[int]] = {}

    def encode(self, messages: Sequence[Message]) -> list[int]:
        key = tuple(messages)
        if key not in self._prompts:
            self._prompts[key] = self._inner.encode(messages)
        return list(self._prompts[key])

    def encode_answer(self, text: str) -> list[int]:
        if text not in self._answers:
            self._answers[text] = self._inner.encode_answer(text)
        return list(self._answers[text])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _bytes(network: Network) -> float:
    return float(sum(p.numel() * p.element_size() for p in network.parameters()))

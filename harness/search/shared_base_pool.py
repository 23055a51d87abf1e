"""A model pool for training one base many times: it is read once, whatever training does to it."""

from __future__ import annotations

import copy
import dataclasses

from harness.core.keys import digest
from harness.core.protocols import LanguageModel
from harness.core.recipes import Recipe
from harness.core.torch_types import Network
from harness.models.remembering_chat import RememberingChat
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


def _bytes(network: Network) -> float:
    return float(sum(p.numel() * p.element_size() for p in network.parameters()))

"""Selects the engine for a loaded network by its architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.protocols import Engine, LanguageModel

if TYPE_CHECKING:
    from harness.engines.hf.prefix_memory import PrefixMemory


def local(
    model: LanguageModel, batch_size: int | None = None, prefixes: PrefixMemory | None = None
) -> Engine:
    """An engine over a model in memory: a classifier where the network has a head for labels.

    Args:
        model: the network and its chat.
        batch_size: the most requests answered at once; None: as memory allows.
        prefixes: beginnings of prompts that these weights have computed; None: every call computes its own.

    Raises:
        ConfigError: an encoder without such a head, which cannot answer.
    """
    from harness.models.architecture import ENCODER_DECODER, of
    from harness.models.layers.attached import classification_head

    if classification_head(model.network) is not None:
        from harness.engines.classifier import ClassifierEngine

        return ClassifierEngine(model, batch_size)
    kind = of(model.network.config)
    if not kind.writes:
        raise ConfigError(f"model '{model.spec}' is {kind.says}", remedy=kind.remedy)
    if kind is ENCODER_DECODER:
        from harness.engines.encoder_decoder import EncoderDecoderEngine

        return EncoderDecoderEngine(model, batch_size)
    from harness.engines.hf.engine import HfEngine

    return HfEngine(model, batch_size, prefixes)

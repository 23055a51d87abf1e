"""The engine that suits a loaded network: it is asked for what it is."""

from __future__ import annotations

from harness.core.protocols import Engine, LanguageModel


def local(model: LanguageModel, batch_size: int | None = None) -> Engine:
    """An engine over a model in memory: a classifier where the network has a head for labels."""
    if hasattr(model.network, "answer_head"):
        from harness.engines.classifier import ClassifierEngine

        return ClassifierEngine(model, batch_size)
    from harness.engines.hf import HfEngine

    return HfEngine(model, batch_size)

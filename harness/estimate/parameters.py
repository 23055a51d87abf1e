"""How many parameters a method trains, found by preparing a network that has no memory."""

from __future__ import annotations

from typing import Any

from harness.core.protocols import LanguageModel, Weights


def counts(stage: Weights, network: Any) -> tuple[int, int]:
    """Parameters that `stage` moves, and those that it adds to a network on the meta device.

    The kind's own `outline` says what moves, so this knows no methods.
    """
    import torch

    from harness.models.layers import weights_io

    before = sum(p.numel() for p in network.parameters())
    with torch.device("meta"):
        model = LanguageModel(network=network, chat=_NoChat(), spec="", fingerprint="", context=0)
        beside = stage.outline(model)
    if beside:
        return beside, beside
    moved, total = weights_io.count(network)
    return moved, total - before


class _NoChat:
    """Stands where a tokenizer would: counting reads no text."""

    eos_ids: frozenset[int] = frozenset()
    bos_id: int | None = None
    tokenizer: Any = None
    template = vocabulary = ""
    stop: tuple[str, ...] = ()
    lead: tuple[int, ...] = ()

    def encode(self, messages: Any) -> list[int]:
        return []

    def encode_answer(self, text: str) -> list[int]:
        return []

    def decode(self, ids: Any) -> str:
        return ""

    def show(self, ids: Any) -> str:
        return ""

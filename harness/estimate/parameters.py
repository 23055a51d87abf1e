"""The number of parameters a method trains, counted on torch's meta device without allocating weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.protocols import LanguageModel, Weights
from harness.core.torch_types import Network
from harness.core.values import Message


def counts(stage: Weights, network: Network) -> tuple[int, int]:
    """Parameters that `stage` trains, and those of them that it adds, on a meta-device network. The kind's
    `outline` decides, so this function knows no methods.
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
    """Takes the tokenizer's place: counting reads no text."""

    eos_ids: frozenset[int] = frozenset()
    bos_id: int | None = None
    tokenizer: Any = None
    template = vocabulary = ""
    stop: tuple[str, ...] = ()
    lead: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()

    def configured(self, thinking: bool, date: str) -> _NoChat:
        return self

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return []

    def encode_answer(self, text: str) -> list[int]:
        return []

    def decode(self, ids: Sequence[int]) -> str:
        return ""

    def show(self, ids: Sequence[int]) -> str:
        return ""

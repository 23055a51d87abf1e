"""How many parameters a method trains, found by preparing a network that has no memory."""

from __future__ import annotations

from typing import Any

from harness.core.protocols import LanguageModel, Weights


def counts(stage: Weights, network: Any) -> tuple[int, int]:
    """Parameters that `stage` moves, and those that it adds to a network on the meta device.

    The kind's own `prepare` says what moves, so this knows no methods; learnt prompts and prefixes,
    which begin with embeddings that such a network does not have, are counted by their width.
    """
    import torch

    from harness.models.layers import weights_io

    text = network.config.get_text_config()
    tokens = getattr(stage, "num_virtual_tokens", None)
    if tokens is not None and stage.name() == "prefix_tuning":
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        learnt = tokens * 2 * text.num_hidden_layers * heads * size
        return learnt, learnt
    if tokens is not None:
        return tokens * text.hidden_size, tokens * text.hidden_size
    if hasattr(stage, "init_lora_weights") and stage.init_lora_weights != "default":
        # Other initialisations read the weights; the adapter's size is the same.
        stage = stage.replace(init_lora_weights="default")
    before = sum(p.numel() for p in network.parameters())
    with torch.device("meta"):
        if stage.name() == "classification":
            from harness.training import classification

            classification.attach(network, ("yes", "no"))
        model = LanguageModel(network=network, chat=_NoChat(), spec="", fingerprint="", context=0)
        stage.prepare(model)  # type: ignore[attr-defined]
    learnt, total = weights_io.count(network)
    return learnt, total - before


class _NoChat:
    """Stands where a tokenizer would: counting reads no text."""

    eos_ids: frozenset[int] = frozenset()
    bos_id: int | None = None

    def encode(self, messages: Any) -> list[int]:
        return []

    def encode_answer(self, text: str) -> list[int]:
        return []

    def decode(self, ids: Any) -> str:
        return ""

    def show(self, ids: Any) -> str:
        return ""

"""Rotary position embeddings whose frequencies depend on the length of the longest sequence in a pass."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.protocols import LanguageModel
from harness.core.torch_types import ModelConfig

_SWITCHING = ("longrope", "dynamic")


def switching_length(config: ModelConfig) -> int | None:
    """The length in tokens above which a network uses different rotary frequencies, for every position and
    every sequence of the pass; None for networks whose frequencies are fixed.

    LongRoPE (Ding et al. 2024, arXiv:2402.13753) has short and long factors, dynamic NTK scaling grows with
    the length. Keys computed on one side of this length do not fit queries from the other.
    """
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or {}
    nested = [one for one in rope.values() if isinstance(one, Mapping)]
    lengths = [
        int(one.get("original_max_position_embeddings") or text.max_position_embeddings)
        for one in (nested or [rope])
        if one.get("rope_type") in _SWITCHING
    ]
    return min(lengths, default=None)


def trainable_length(model: LanguageModel) -> int:
    """The longest row that training may compute in a batch with others: all rows of a batch are on one side
    of the length at which rotary frequencies change."""
    limit = switching_length(model.network.config)
    return model.context if limit is None else min(model.context, limit)

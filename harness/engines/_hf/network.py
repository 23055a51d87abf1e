"""A network put into the state that the engine needs, and back again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from harness.engines._hf.attention import Rule, UnsupportedAttention
from harness.engines._hf.passes import ACTIVE

NAME = "harness_shared_prefix"
"""The name under which transformers knows our attention function."""

_LAYERS = {"full_attention", "sliding_attention"}
_UNKNOWN = ("s_aux", "position_bias", "attention_sink", "sinks")
"""Arguments that change attention in ways that are not computed here."""


def shared_prefix_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    softcap: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: `query` [1, heads, N, size] → [1, N, heads, size].

    Raises:
        UnsupportedAttention: the layer wants something that is not computed here.
    """
    del key, value, attention_mask
    for name in _UNKNOWN:
        if kwargs.get(name) is not None:
            raise UnsupportedAttention(f"attention with {name}")
    window = sliding_window or getattr(module, "sliding_window", None)
    if _layer_type(module) != "sliding_attention":
        window = None
    elif window is None:
        raise UnsupportedAttention("a sliding layer that does not tell its window")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    out = ACTIVE.get().attend(module.layer_idx, query[0], Rule(scale, softcap, window))
    return out.transpose(0, 1)[None], None


AttentionInterface.register(NAME, shared_prefix_attention)


def _layer_type(module: Any) -> str:
    config = module.config
    types = getattr(config, "layer_types", None)
    if types:
        return str(types[module.layer_idx])
    return "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"


def base_of(network: Any) -> Any:
    """The transformers model inside a peft wrapper, or the network itself."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def why_not(network: Any) -> str | None:
    """Why shared-prefix attention cannot serve this network, as far as its configuration tells."""
    model = base_of(network)
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention cannot be replaced"
    strange = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    if strange:
        return f"it has layers of type {', '.join(sorted(strange))}"
    if getattr(config, "attention_chunk_size", None):
        return "it attends in chunks"
    if any(getattr(c, "is_prompt_learning", False) for c in getattr(network, "peft_config", {}).values()):
        return "its adapter prepends learned tokens"
    if hasattr(model, "learnt_prefix"):
        return "a prefix is learnt in every layer"
    return None


@contextlib.contextmanager
def serving(network: Any, attention: str | None) -> Iterator[None]:
    """Evaluation mode, no gradients, and the attention function of that name (None: its own).

    Everything is put back at the end, so that training goes on as if nothing had happened.
    """
    model = base_of(network)
    before = model.config._attn_implementation
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    if attention is not None:
        model.set_attn_implementation(attention)
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
        if attention is not None:
            model.set_attn_implementation(before)

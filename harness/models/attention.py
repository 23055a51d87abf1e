"""Temporary replacement of a network's attention function, and the rule that the function must follow."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.torch_types import Layer, Network
from harness.models.architecture import base_of

_LAYERS = {"full_attention", "sliding_attention"}
_UNKNOWN = ("s_aux", "position_bias", "attention_sink", "sinks")
"""Arguments that change attention in ways that are not implemented here."""


class UnsupportedAttention(RuntimeError):  # noqa: N818
    """The network needs a kind of attention that is not implemented here."""


@dataclass(frozen=True)
class Rule:
    """How one layer computes attention scores: their scale, a cap on them, and a sliding window."""

    scale: float
    softcap: float | None = None
    window: int | None = None


def rule_of(module: Layer, size: int, options: Mapping[str, Any]) -> Rule:
    """The rule of an attention module with heads of `size`, from what transformers passes to its attention
    interface besides queries, keys and values.

    Raises:
        UnsupportedAttention: the layer needs something that a rule cannot express.
    """
    for name in _UNKNOWN:
        if options.get(name) is not None:
            raise UnsupportedAttention(f"attention with {name}")
    window = options.get("sliding_window") or getattr(module, "sliding_window", None)
    if _layer_type(module) != "sliding_attention":
        window = None
    elif window is None:
        raise UnsupportedAttention("a sliding layer that does not tell its window")
    scale = options.get("scaling")
    return Rule(size**-0.5 if scale is None else scale, options.get("softcap"), window)


def why_not(network: Network) -> str | None:
    """Why this network's attention cannot be replaced, judged by its configuration; None if it can."""
    model = base_of(network)
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", False):
        return "its attention cannot be replaced"
    strange = set(getattr(config, "layer_types", None) or ()) - _LAYERS
    if strange:
        return f"it has layers of type {', '.join(sorted(strange))}"
    if getattr(config, "attention_chunk_size", None):
        return "it attends in chunks"
    return None


def has_windows(network: Network) -> bool:
    """Whether some layer sees only what is near, so that it matters how far away in the cache something is."""
    config = base_of(network).config.get_text_config()
    near = ("sliding_window", "window_size", "attention_chunk_size")
    types = set(getattr(config, "layer_types", None) or ())
    return bool(types - {"full_attention"}) if types else any(getattr(config, name, None) for name in near)


@contextlib.contextmanager
def replaced_attention(network: Network, name: str) -> Iterator[None]:
    """Inside the `with` block the network uses the attention function registered with transformers as
    `name`."""
    model = base_of(network)
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _layer_type(module: Layer) -> str:
    config = module.config
    types = getattr(config, "layer_types", None)
    if types:
        return str(types[module.layer_idx])
    return "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"

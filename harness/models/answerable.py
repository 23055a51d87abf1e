"""Which architectures the engines can ask, judged by the configuration before any weights are fetched."""

from __future__ import annotations

import inspect
from functools import cache

from harness.core.torch_types import ModelConfig
from harness.models.architecture import DECODER, of

_NEEDED = ("past_key_values", "logits_to_keep")
"""Arguments of a decoder's forward pass that every engine passes (`harness.engines.hf`)."""


def why_not(config: ModelConfig) -> str | None:
    """Why a decoder of this configuration cannot be asked; None if it can, as far as its signature tells.

    State-space and recurrent networks (Mamba, RWKV, xLSTM) keep a state of their own in place of keys and values.
    """
    if of(config) is not DECODER:
        return None
    lacking = _lacking(type(config))
    if lacking is None:
        return f"transformers has no causal language model for the type {config.model_type}"
    if lacking:
        return f"a network of the type {config.model_type} takes no {' and no '.join(lacking)}, which answering needs"
    return None


@cache
def _lacking(configuration: type) -> tuple[str, ...] | None:
    from transformers import AutoModelForCausalLM

    try:
        network = AutoModelForCausalLM._model_mapping[configuration]
    except KeyError:
        return None
    named = inspect.signature(network.forward).parameters
    return tuple(name for name in _NEEDED if name not in named)

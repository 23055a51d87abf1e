"""Which architectures the engines can ask and training can teach, judged by the configuration before any weights are fetched."""

from __future__ import annotations

import inspect
from typing import cast

from harness.core.torch_types import Layer, ModelConfig
from harness.models.architecture import DECODER, of

_NEEDED = ("past_key_values", "logits_to_keep")
"""Arguments of a decoder's forward pass that every engine passes (`harness.engines.hf`)."""
_STATES = ("recurrent_gemma",)
"""Decoders that, by their signature, take keys and values but return none."""
_HEADS = ("modernbert-decoder",)
"""Decoders whose logits are not a linear function of the body's last states."""


def why_not(config: ModelConfig) -> str | None:
    """Why a decoder of this configuration cannot be asked; None if it can, as far as its signature tells.

    State-space and recurrent networks (Mamba, RWKV, xLSTM) keep a state of their own in place of keys and values.
    """
    if of(config) is not DECODER:
        return None
    lacking = _lacking(type(config))
    if lacking is None:
        return f"transformers has no causal language model for the type {config.model_type}"
    if config.model_type in _STATES:
        return f"a network of the type {config.model_type} keeps its state inside and returns none, which answering needs"
    if lacking:
        return f"a network of the type {config.model_type} takes no {' and no '.join(lacking)}, which answering needs"
    return None


def why_not_taught(config: ModelConfig) -> str | None:
    """Why a decoder of this configuration cannot be trained; None if it can, as far as its type tells. What
    the type does not tell, `training.loss.check_network` finds out from the loaded network."""
    if config.get_text_config().model_type in _HEADS:
        return f"a network of the type {config.model_type} has several layers behind its last block, which training does not know"
    return None


def _lacking(configuration: type) -> tuple[str, ...] | None:
    from transformers import AutoModelForCausalLM

    try:
        network = cast("type[Layer]", AutoModelForCausalLM._model_mapping[configuration])
    except KeyError:
        return None
    named = inspect.signature(network.forward).parameters
    return tuple(name for name in _NEEDED if name not in named)

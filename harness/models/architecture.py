"""The architecture of a model, read from its configuration, and what that architecture can be used for.

Decoders can be used for everything. What encoders and encoder-decoders can be used for is defined only here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from harness.core.errors import ConfigError
from harness.core.protocols import ArchitectureName, Base, Weights
from harness.core.recipes import Recipe
from harness.core.torch_types import ModelConfig, Network

_WRITES = ("ForCausalLM", "LMHeadModel")
"""Suffixes of the transformers classes that are decoders, whatever their model type."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """`loader` is the transformers class that loads it, `peft_task` is peft's name for it and `pipeline` is
    the model hubs' name. Weights and bases list the architectures they support themselves (`architectures`).
    `says` and `remedy` are for messages."""

    name: ArchitectureName
    loader: str
    peft_task: str
    pipeline: str
    writes: bool = True
    says: str = ""
    remedy: str = ""


DECODER = Architecture(
    name="decoder", loader="AutoModelForCausalLM", peft_task="CAUSAL_LM", pipeline="text-generation"
)
ENCODER = Architecture(
    name="encoder",
    loader="AutoModelForSequenceClassification",
    peft_task="SEQ_CLS",
    pipeline="text-classification",
    writes=False,
    says="an encoder: it does not generate text, so all it can learn is a classification head",
    remedy="--recipes classification, or a model that writes",
)
ENCODER_DECODER = Architecture(
    name="encoder-decoder",
    loader="AutoModelForSeq2SeqLM",
    peft_task="SEQ_2_SEQ_LM",
    pipeline="text2text-generation",
    says="an encoder-decoder: it supports the weights lora and full, and the bases plain, int8 and nf4",
    remedy="select other recipes with --recipes, or name a decoder",
)


def of(config: ModelConfig) -> Architecture:
    """The architecture of a transformers configuration, or of the contents of a `config.json`."""
    fields: Mapping[str, Any] = config if isinstance(config, Mapping) else vars(config)
    if fields.get("is_encoder_decoder"):
        return ENCODER_DECODER
    names = fields.get("architectures") or ()
    if fields.get("is_decoder") or any(name.endswith(_WRITES) for name in names):
        return DECODER
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind = fields.get("model_type") or getattr(config, "model_type", None)
    return ENCODER if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES else DECODER


def check(model: str, architecture: Architecture, recipes: Sequence[Recipe]) -> None:
    """Reject recipes that a model of this architecture does not support, before anything is loaded.

    Raises:
        ConfigError: a recipe is not supported; the message names it, the model and what works instead.
    """
    wrong = [recipe.name for recipe in recipes if not suits(architecture, recipe)]
    if wrong:
        which = f"recipe {wrong[0]} does" if len(wrong) == 1 else f"recipes {', '.join(wrong)} do"
        raise ConfigError(
            f"{which} not suit model '{model}', which is {architecture.says}", remedy=architecture.remedy
        )


def require(model: str, network: Network, weights: Weights) -> Architecture:
    """The architecture of a loaded network, checked against those that these weights support.

    Raises:
        ConfigError: the weights do not support it.
    """
    architecture = of(network.config)
    if architecture.name not in weights.architectures:
        raise ConfigError(
            f"weights {weights.name()} do not suit model '{model}', which is {architecture.says}",
            remedy=architecture.remedy,
        )
    return architecture


def decoder_start(network: Network) -> int:
    """The token that starts an encoder-decoder's answers.

    Raises:
        ConfigError: its configuration names none.
    """
    for config in (network.config, network.generation_config):
        if (start := getattr(config, "decoder_start_token_id", None)) is not None:
            return int(start)
    raise ConfigError("the model's configuration has no decoder_start_token_id", remedy="add it")


def suits(architecture: Architecture, recipe: Recipe) -> bool:
    """Whether a model of this architecture can be used with a recipe."""
    parts: tuple[Base | Weights, ...] = (recipe.base, *recipe.weights)
    if not architecture.writes and not recipe.weights:
        return False
    return all(architecture.name in part.architectures for part in parts)


def base_of(network: Network) -> Network:
    """The transformers model inside a peft wrapper, or the network itself."""
    base: Network = network.get_base_model() if hasattr(network, "get_base_model") else network
    return base


def body_of(network: Network) -> Network:
    """The network below its output layer: transformers' `base_model`, which is the whole network if its class
    names a part that it does not have (Llama 4's text model)."""
    body: Network = network.base_model
    if body is not network or network.get_output_embeddings() is None:
        return body
    if "model" not in dict(network.named_children()):
        return network
    return cast("Network", network.get_submodule("model"))

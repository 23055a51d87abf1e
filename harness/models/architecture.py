"""What kind of network a model is, from its configuration, and what that kind can be used for.

Decoders may do everything. What encoders and encoder-decoders may do is written here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import ConfigError
from harness.core.recipes import Recipe
from harness.models.source import gguf_file, resolve

_WRITES = ("ForCausalLM", "LMHeadModel")
"""How transformers' classes end that are decoders, whatever else their model type can be."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """`loader` is the transformers class that loads it, `peft_task` how peft calls it and `pipeline` how
    hubs do. `weights` and `bases` are the kinds that may be used with it; None: all (`moved` puts
    another run's stages in place, which were checked there). `says` and `remedy` are for messages."""

    name: str
    loader: str
    peft_task: str
    pipeline: str
    weights: tuple[str, ...] | None = None
    bases: tuple[str, ...] | None = None
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
    weights=("classification", "moved"),
    bases=("plain",),
    writes=False,
    says="an encoder: it reads and writes no text, so all it can learn is a classification head",
    remedy="--recipes classification, or a model that writes",
)
ENCODER_DECODER = Architecture(
    name="encoder-decoder",
    loader="AutoModelForSeq2SeqLM",
    peft_task="SEQ_2_SEQ_LM",
    pipeline="text2text-generation",
    weights=("lora", "full", "moved"),
    bases=("plain", "int8", "nf4"),
    says="an encoder-decoder: of weights lora and full are known for it, of bases plain, int8 and nf4",
    remedy="leave them out with --recipes, or name a decoder",
)


def of(config: Any) -> Architecture:
    """The architecture of a transformers configuration, or of what a `config.json` holds."""
    told: Mapping[str, Any] = config if isinstance(config, Mapping) else vars(config)
    if told.get("is_encoder_decoder"):
        return ENCODER_DECODER
    names = told.get("architectures") or ()
    if told.get("is_decoder") or any(name.endswith(_WRITES) for name in names):
        return DECODER
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    kind = told.get("model_type") or getattr(config, "model_type", None)
    return ENCODER if kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES else DECODER


def of_spec(spec: str) -> Architecture:
    """The architecture of a model that is loaded here, from its `config.json`; GGUF files are decoders.

    Raises:
        ConfigError: no such model.
    """
    if gguf_file(spec) is not None:
        return DECODER
    file = resolve(spec) / "config.json"
    try:
        return of(json.loads(file.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ConfigError(f"not JSON: {error}", file=file) from None


def check(model: str, architecture: Architecture, recipes: Sequence[Recipe]) -> None:
    """Refuse recipes that a model of this architecture cannot be used with, before anything is loaded.

    Raises:
        ConfigError: there are such recipes; it names them, the model and what works instead.
    """
    wrong = [recipe.name for recipe in recipes if not suits(architecture, recipe)]
    if wrong:
        which = f"recipe {wrong[0]} does" if len(wrong) == 1 else f"recipes {', '.join(wrong)} do"
        raise ConfigError(
            f"{which} not suit model '{model}', which is {architecture.says}", remedy=architecture.remedy
        )


def require(model: str, network: Any, kind: str) -> Architecture:
    """The architecture of a loaded network, which must be one that weights of `kind` can be trained in.

    Raises:
        ConfigError: it is not.
    """
    found = of(network.config)
    if found.weights is not None and kind not in found.weights:
        raise ConfigError(
            f"weights {kind} do not suit model '{model}', which is {found.says}", remedy=found.remedy
        )
    return found


def decoder_start(network: Any) -> int:
    """The token that an encoder-decoder's answers begin behind.

    Raises:
        ConfigError: its configuration names none.
    """
    for config in (network.config, network.generation_config):
        if (start := getattr(config, "decoder_start_token_id", None)) is not None:
            return int(start)
    raise ConfigError("the model's configuration has no decoder_start_token_id", remedy="add it")


def suits(architecture: Architecture, recipe: Recipe) -> bool:
    """Whether a model of this architecture can be used with a recipe."""
    kinds = [stage.name() for stage in recipe.weights]
    if architecture.bases is not None and recipe.base.name() not in architecture.bases:
        return False
    if not architecture.writes and not kinds:
        return False
    return architecture.weights is None or all(kind in architecture.weights for kind in kinds)


def base_of(network: Any) -> Any:
    """The transformers model inside a peft wrapper, or the network itself."""
    return network.get_base_model() if hasattr(network, "get_base_model") else network

"""The sizes of a network, from its configuration alone; no weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from harness.core.errors import ConfigError
from harness.core.torch_types import ModelConfig, Network
from harness.models.architecture import of
from harness.models.source import BUNDLED, gguf_file, is_tiny, resolve

_INNER = ("intermediate_size", "n_inner", "d_ff", "encoder_ffn_dim", "hidden_dim")
"""Names of the feed-forward width in configurations: Llama, GPT-2, T5, BART, DistilBERT."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Counts of parameters (`linear`: those in linear layers, which quantization shrinks; `outputs`: rows of
    these layers) and widths in numbers per token and block. `layers` are those that a token passes: in an
    encoder-decoder, the encoder's for a prompt and as many for an answer."""

    parameters: int
    linear: int
    outputs: int
    layers: int
    hidden: int
    query: int
    key_value: int
    intermediate: int
    vocabulary: int
    context: int


def config(spec: str) -> ModelConfig:
    """The transformers configuration of a model: from a folder, with or without weights, or from its
    `config.json`; for a hub id only `config.json` is fetched.

    Raises:
        ConfigError: no such model, or a hub that cannot be reached.
    """
    from transformers import AutoConfig

    from harness.models.hub import check_reachable

    folder = _folder_of_configuration(spec)
    if folder is None:
        if spec.startswith(("/", ".", "~", "openai:", "fake")):
            raise ConfigError(f"'{spec}' has no configuration here", remedy=f"bundled: {', '.join(BUNDLED)}")
        check_reachable(spec, BUNDLED)
    try:
        name = spec if folder is None else str(folder)
        return cast(ModelConfig, AutoConfig.from_pretrained(name, trust_remote_code=False))
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        remedy = (
            f"is there a network? bundled: {', '.join(BUNDLED)}; or a folder, gguf:FILE, --parameters 13B"
        )
        raise ConfigError(f"cannot read the configuration of '{spec}' ({reason})", remedy=remedy) from None


def _folder_of_configuration(spec: str) -> Path | None:
    """The folder with a model's `config.json`; None if it is not on this machine."""
    if is_tiny(spec) or gguf_file(spec) is not None:
        return resolve(spec)
    path = Path(spec).expanduser()
    if path.name == "config.json" and path.is_file():
        return path.parent
    if not path.is_dir():
        return None
    if not (path / "config.json").is_file():
        raise ConfigError("not a model folder: it has no config.json", file=path)
    return path


def key_value_heads(config: ModelConfig) -> int:
    """Heads that have keys and values of their own, in each layer (Ainslie et al. 2023, arXiv:2305.13245).

    Args:
        config: the configuration of a network's text part.
    """
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def head_size(config: ModelConfig) -> int:
    """Numbers in one head's query, key or value.

    Args:
        config: the configuration of a network's text part.
    """
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def network(spec: str) -> Network:
    """The model's network on torch's meta device, where tensors have a shape but no storage.

    Raises:
        ConfigError: as in `config`, or an architecture that cannot be built.
    """
    import torch
    import transformers

    configuration = config(spec)
    try:
        with torch.device("meta"):
            loader = getattr(transformers, of(configuration).loader)
            return cast(Network, loader.from_config(configuration, trust_remote_code=False))
    except (ValueError, KeyError) as error:
        raise ConfigError(f"cannot build model '{spec}': {str(error).splitlines()[0]}") from None


@cache
def quantizable_share(spec: str) -> float:
    """The share of the weights between embeddings and output layer that are in linear layers, which
    bitsandbytes can hold in few bits.

    Raises:
        ConfigError: see `network`.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    net = network(spec)
    ends = [end for end in (net.get_input_embeddings(), net.get_output_embeddings()) if end is not None]
    outside = {id(end.weight) for end in ends}
    weights = [p for p in net.parameters() if p.dim() > 1 and id(p) not in outside]
    linear = [m for m in net.modules() if isinstance(m, Conv1D) or cast("type", type(m)) is nn.Linear]
    held = sum(m.weight.numel() for m in linear if id(m.weight) not in outside)
    return float(held / max(1, sum(p.numel() for p in weights)))


@cache
def shape(spec: str) -> Shape:
    """The sizes of a model.

    Raises:
        ConfigError: see `network`.
    """
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    net = network(spec)
    text = net.config.get_text_config()
    head = net.get_output_embeddings()
    layers = [m for m in net.modules() if isinstance(m, nn.Linear | Conv1D) and m is not head]
    size = head_size(text)
    inner = next(filter(None, (getattr(text, name, None) for name in _INNER)), 4 * text.hidden_size)
    return Shape(
        parameters=sum(p.numel() for p in net.parameters()),
        linear=sum(m.weight.numel() for m in layers),
        outputs=sum(m.nf if isinstance(m, Conv1D) else m.out_features for m in layers),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        query=text.num_attention_heads * size,
        key_value=key_value_heads(text) * size,
        intermediate=inner,
        vocabulary=text.vocab_size,
        context=int(getattr(text, "max_position_embeddings", None) or 2048),
    )

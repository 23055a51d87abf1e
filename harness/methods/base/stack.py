"""A deeper base: some of its blocks occur twice."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import Base, LanguageModel
from harness.core.torch_types import Network

_LISTS_OF_LAYERS = {"mlp_only_layers", "full_attention_idxs", "cross_attention_layers", "attn_layer_indices"}
"""Lists in configurations that hold the numbers of some layers, not a value for each."""


@dataclass(frozen=True, kw_only=True)
class Stack(Base):
    """Depth up-scaling: a copy without the last blocks, and on it one without the first.

    It is meant to be trained afterwards; as it stands it usually answers worse than the base.
    """

    paper: ClassVar[str] = "Kim et al. 2023, SOLAR 10.7B, https://arxiv.org/abs/2312.15166"
    published: ClassVar[bool] = False

    dropped: Annotated[float, Ge(0), Lt(1)] = knob(
        0.25, choices=(0.125, 0.25, 0.5), doc="share of blocks that each copy loses: 8 of 32 in the paper"
    )
    layers: tuple[tuple[int, int], ...] = knob(
        (), doc="instead: spans [first, end) of blocks, one on the other, such as [[0, 20], [10, 30]]"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"

    def load(self, spec: str) -> LanguageModel:
        """
        Raises:
            ConfigError: a span is empty, or beyond the model's blocks.
        """
        from harness.models.load import load

        model = load(spec, dtype=self.dtype)
        count = model.network.config.get_text_config().num_hidden_layers
        _stack(model.network, self._chosen(count))
        _require_described(model.network, spec)
        return model

    def _chosen(self, count: int) -> list[int]:
        lost = round(count * self.dropped)
        spans = self.layers or ((0, count - lost), (lost, count))
        for first, end in spans:
            if not 0 <= first < end <= count:
                raise ConfigError(
                    f"base stack: [{first}, {end}) is not a span of the model's {count} blocks",
                    remedy=f"spans within [0, {count}]",
                )
        return [index for first, end in spans for index in range(first, end)]


def _stack(network: Network, chosen: list[int]) -> None:
    from torch import nn

    from harness.models.layers.blocks import blocks

    layers, text = blocks(network), network.config.get_text_config()
    # The configuration is shared: the engine changes it, and every block must see that.
    shared = {id(config): config for config in (network.config, text)}
    stacked = nn.ModuleList(copy.deepcopy(layers[index], dict(shared)) for index in chosen)
    for index, block in enumerate(stacked):
        for module in block.modules():
            if hasattr(module, "layer_idx"):
                # A plain number: nn.Module types every attribute as a tensor or a module.
                module.__dict__["layer_idx"] = index
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if child is layers:
                setattr(module, name, stacked)
    count = len(layers)
    for name, value in list(vars(text).items()):
        # One value for each layer: attention types, which layers have positions, and the like.
        if isinstance(value, list | tuple) and len(value) == count and name not in _LISTS_OF_LAYERS:
            setattr(text, name, [value[index] for index in chosen])
    for name in _LISTS_OF_LAYERS & vars(text).keys():
        named = set(getattr(text, name) or ())
        setattr(text, name, [at for at, index in enumerate(chosen) if index in named])
    text.num_hidden_layers = len(chosen)


def _require_described(network: Network, spec: str) -> None:
    """
    Raises:
        ConfigError: another process would build a different network from the stacked configuration.
    """
    import torch

    try:
        with torch.device("meta"):
            described = type(network)(copy.deepcopy(network.config))
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise _undescribed(spec, f"{type(error).__name__}: {error}") from None
    ours, theirs = _outline(network), _outline(described)
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if differing:
        raise _undescribed(spec, f"'{differing[0]}' differs")


def _outline(network: Network) -> dict[str, object]:
    """Shapes of all parameters, and the plain settings of all modules."""
    outline: dict[str, object] = {name: tuple(p.shape) for name, p in network.named_parameters()}
    for path, module in network.named_modules():
        settings = {n: v for n, v in vars(module).items() if isinstance(v, bool | int | float | str)}
        outline |= {
            f"{path}.{n}": v for n, v in settings.items() if n != "training" and not n.startswith("_")
        }
    return outline


def _undescribed(spec: str, reason: str) -> ConfigError:
    return ConfigError(
        f"base stack: the configuration of '{spec}' cannot describe its blocks in another order ({reason})",
        remedy="base: plain",
    )

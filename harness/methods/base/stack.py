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


@dataclass(frozen=True, kw_only=True)
class Stack(Base):
    """Depth up-scaling: a copy without the last blocks, and on it one without the first.

    It is meant to be trained afterwards; as it stands it usually answers worse than the base.
    """

    paper: ClassVar[str] = "Kim et al. 2023, SOLAR 10.7B, https://arxiv.org/abs/2312.15166"

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
            ConfigError: a span that is empty, or beyond the model's blocks.
        """
        from harness.models.load import load

        model = load(spec, dtype=self.dtype)
        count = model.network.config.get_text_config().num_hidden_layers
        _stack(model.network, self._chosen(count))
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
    if getattr(text, "layer_types", None):
        text.layer_types = [text.layer_types[index] for index in chosen]
    text.num_hidden_layers = len(chosen)

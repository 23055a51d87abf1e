"""Prefix tuning: learned keys and values before the text in every layer, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from harness.core.kinds import knob
from harness.core.protocols import Base, LanguageModel, Weights
from harness.methods.weights._virtual_tokens import VirtualTokens


@dataclass(frozen=True, kw_only=True)
class PrefixTuning(VirtualTokens):
    """Prefix tuning without the paper's reparametrization: it starts from real activations instead. The
    engine cannot share computed prefixes between prompts of such a model, so it answers in padded batches.
    """

    paper: ClassVar[str] = "Li and Liang 2021, https://arxiv.org/abs/2101.00190"

    learning_rate: PositiveFloat = knob(
        1e-2, low=1e-4, high=1e-1, log=True, doc="5e-5 in the paper with a reparametrization; more without"
    )
    num_virtual_tokens: PositiveInt = knob(
        20, choices=(5, 10, 20, 50), doc="length of the prefix; 10 for tables, 200 for summaries (paper)"
    )
    init_text: str = knob("", doc="begin with the activations of this text; empty: of tokens drawn at random")

    def obstacle(self, base: Base, earlier: Sequence[Weights]) -> str | None:
        if any(isinstance(stage, PrefixTuning) for stage in earlier):
            return "a model can learn one prefix only"
        return super().obstacle(base, earlier)

    def prepare(self, model: LanguageModel) -> None:
        from harness.models.layers import prefix, soft_prompt

        ids = soft_prompt.start_ids(model, self.num_virtual_tokens, self.init_text)
        prefix.attach(model.network, prefix.drawn(model.network, ids))

    def outline(self, model: LanguageModel) -> int:
        from harness.models.dimensions import head_size, key_value_heads

        text = model.network.config.get_text_config()
        width = key_value_heads(text) * head_size(text)
        return self.num_virtual_tokens * 2 * int(text.num_hidden_layers) * width

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import prefix

        prefix.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import prefix

        prefix.load(model.network, folder)
        return model

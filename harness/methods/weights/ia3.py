"""Vectors that scale keys, values and the feed-forward part: a few thousand parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import PositiveFloat

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import LanguageModel
from harness.models.number_format import dtype_of
from harness.training.peft_files import PeftFiles
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Ia3(PeftFiles, Supervised):
    """(IA)³ with peft; which layers it scales is peft's choice for the architecture."""

    paper: ClassVar[str] = "Liu et al. 2022, (IA)^3, https://arxiv.org/abs/2205.05638"
    adapter: ClassVar[str] = "IA3"
    spreads: ClassVar[bool] = True

    learning_rate: PositiveFloat = knob(
        5e-3, low=5e-4, high=5e-2, log=True, doc="3e-3 in the paper, for a model of 3B"
    )
    target_modules: tuple[str, ...] = knob(
        (), doc="layers whose output (feedforward_modules: input) is scaled; empty: peft's choice"
    )
    feedforward_modules: tuple[str, ...] = knob((), doc="those of target_modules whose input is scaled")

    def unsuited(self, config: Any) -> str | None:
        from peft.utils import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING

        if self.target_modules or config.model_type in TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
            return None
        return f"peft does not know which layers of a {config.model_type} model (IA)³ scales: name them in target_modules"

    @property
    def alters_base(self) -> bool:
        return False

    def prepare(self, model: LanguageModel) -> None:
        import torch
        from peft import IA3Config
        from transformers.pytorch_utils import Conv1D

        from harness.models.layers.adapters import attach
        from harness.models.layers.blocks import outside_text
        from harness.models.layers.plain_layers import quantization

        if any(map(quantization, model.network.modules())) and dtype_of(model.network) != torch.float32:
            # Their outputs become float32 but the other layers' do not, so attention would raise.
            raise ConfigError(
                f"peft's (IA)³ computes over few bits in float32 only, and this base in {dtype_of(model.network)}",
                remedy="base: {kind: nf4, compute_dtype: float32}, or weights: lora",
            )
        config = IA3Config(
            task_type="CAUSAL_LM",
            target_modules=list(self.target_modules) or None,
            exclude_modules=outside_text(model.network),
            feedforward_modules=list(self.feedforward_modules) if self.target_modules else None,
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.network.modules()),
        )
        attach(model.network, config)

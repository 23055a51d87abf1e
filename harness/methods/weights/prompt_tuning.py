"""Prompt tuning: a few learned embeddings before every prompt, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from harness.core.kinds import knob
from harness.core.protocols import LanguageModel, TrainingContext, TrainingResult
from harness.core.values import TrainingExample
from harness.methods.weights._virtual_tokens import VirtualTokens
from harness.models.random_state import seeded


@dataclass(frozen=True, kw_only=True)
class PromptTuning(VirtualTokens):
    """Prompt tuning. The learned tokens count and cost as prompt tokens."""

    paper: ClassVar[str] = "Lester, Al-Rfou and Constant 2021, https://arxiv.org/abs/2104.08691"

    learning_rate: PositiveFloat = knob(
        1e-2, low=1e-3, high=0.3, log=True, doc="far above other methods'; 0.3 with Adafactor in the paper"
    )
    num_virtual_tokens: PositiveInt = knob(
        20, choices=(5, 20, 50, 100), doc="length of the learned prompt; more than 20 gains little (paper)"
    )
    init_text: str = knob("", doc="begin with the embeddings of this text; empty: of tokens drawn at random")

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.models.layers import soft_prompt

        with seeded(context.seed):
            prompt = soft_prompt.drawn(model, self.num_virtual_tokens, self.init_text)
        return super().train(soft_prompt.attach(model, prompt), examples, context)

    def prepare(self, model: LanguageModel) -> None:
        """A no-op: the chat already puts the learned prompt before every example."""

    def outline(self, model: LanguageModel) -> int:
        return self.num_virtual_tokens * int(model.network.config.get_text_config().hidden_size)

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.models.layers import soft_prompt

        soft_prompt.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.models.layers import soft_prompt

        return soft_prompt.load(model, folder)

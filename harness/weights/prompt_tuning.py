"""A learnt prompt: a few embeddings in front of every prompt, and nothing else moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import PositiveFloat, PositiveInt

from harness.core.kinds import knob
from harness.core.protocols import LanguageModel, TrainingContext, TrainingResult
from harness.core.values import Lesson
from harness.training.supervised import Supervised, seeded


@dataclass(frozen=True, kw_only=True)
class PromptTuning(Supervised):
    """Prompt tuning. The learnt tokens count as prompt tokens: they cost what others cost."""

    paper: ClassVar[str] = "Lester, Al-Rfou and Constant 2021, https://arxiv.org/abs/2104.08691"

    learning_rate: PositiveFloat = knob(
        1e-2, low=1e-3, high=0.3, log=True, doc="far above other methods'; 0.3 with Adafactor in the paper"
    )
    num_virtual_tokens: PositiveInt = knob(
        20, choices=(5, 20, 50, 100), doc="length of the learnt prompt; more than 20 gains little (paper)"
    )
    init_text: str = knob("", doc="begin with the embeddings of this text; empty: of tokens drawn at random")

    @property
    def learnt_tokens(self) -> int:
        return self.num_virtual_tokens

    @property
    def alters_base(self) -> bool:
        return False

    def train(
        self, model: LanguageModel, lessons: Sequence[Lesson], context: TrainingContext
    ) -> TrainingResult:
        from harness.training import soft_prompt

        with seeded(context.seed):
            prompt = soft_prompt.drawn(model, self.num_virtual_tokens, self.init_text)
        return super().train(soft_prompt.attach(model, prompt), lessons, context)

    def prepare(self, model: LanguageModel) -> None:
        """The learnt prompt is in its place already: lessons begin with it."""

    def save(self, model: LanguageModel, folder: Path) -> None:
        from harness.training import soft_prompt

        soft_prompt.save(model.network, folder)

    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        from harness.training import soft_prompt

        return soft_prompt.load(model, folder)

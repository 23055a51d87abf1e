"""Continued pretraining on the corpus with a fill-in-the-middle objective."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from harness.core.kinds import knob
from harness.core.protocols import LanguageModel, TrainingContext
from harness.core.values import TrainingExample
from harness.methods.weights.continued_pretraining import ContinuedPretraining

if TYPE_CHECKING:
    from harness.training.tokenized import TokenizedExample


@dataclass(frozen=True, kw_only=True)
class Infilling(ContinuedPretraining):
    """Fill in the middle, on the task's corpus. A tokenizer without tokens for it gets
    `<|fim_prefix|>`, `<|fim_suffix|>` and `<|fim_middle|>` spelled out as text."""

    paper: ClassVar[str] = "Bavarian et al. 2022, fill in the middle, https://arxiv.org/abs/2207.14255"

    fim_rate: Annotated[float, Field(ge=0, le=1)] = knob(
        0.5, low=0.0, high=1.0, doc="share of documents that get a hole; 0.5 to 0.9 in the paper"
    )
    fim_order: Literal["psm", "spm"] = knob(
        "psm", choices=("psm", "spm"), doc="prefix, suffix, middle; or suffix, prefix, middle"
    )

    def rows(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> tuple[list[TokenizedExample], tuple[str, ...]]:
        from harness.training.pretraining_windows import sentinels

        marks, generator = sentinels(model.chat), random.Random(context.seed)
        return [
            window.infilled(marks, self.fim_order, generator)
            if generator.random() < self.fim_rate
            else window.row()
            for window in self.windows(model, context, reserved=len(marks))
        ], ()

"""Continued pretraining on the task's corpus, to put facts into a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import NonNegativeInt, PositiveFloat

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import LanguageModel, TrainingContext
from harness.core.values import TrainingExample
from harness.methods.weights.full import Full

if TYPE_CHECKING:
    from harness.training.pretraining_windows import Window
    from harness.training.tokenized import TokenizedExample


@dataclass(frozen=True, kw_only=True)
class ContinuedPretraining(Full):
    """Next-token loss on every token of the task's corpus; every weight is trained.

    A document longer than `max_length` is learned in windows, so nothing is dropped. Training examples are
    not used: add another stage (`[continued_pretraining, lora]`) to learn how to answer.
    """

    reads_examples: ClassVar[bool] = False
    paper: ClassVar[str] = "Gururangan et al. 2020, Don't stop pretraining, https://arxiv.org/abs/2004.10964"

    learning_rate: PositiveFloat = knob(
        1e-4, low=1e-6, high=1e-3, log=True, doc="as in full finetuning; lower keeps more of the base"
    )
    num_train_epochs: PositiveFloat = knob(
        5.0, low=1.0, high=30.0, doc="passes over the corpus; a fact seen once is hardly learned"
    )
    eval_per_epoch: NonNegativeInt = knob(
        0, doc="evaluations on dev in each epoch; 0: none, the last weights are kept"
    )
    dev_examples: NonNegativeInt = knob(0, doc="dev examples whose loss and score choose the checkpoint")

    def rows(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> tuple[list[TokenizedExample], tuple[str, ...]]:
        return [window.row() for window in self.windows(model, context)], ()

    def windows(self, model: LanguageModel, context: TrainingContext, reserved: int = 0) -> list[Window]:
        """The corpus in windows that leave `reserved` tokens free.

        Raises:
            ConfigError: the task has no corpus.
        """
        from harness.models.rotary import trainable_length
        from harness.training.pretraining_windows import windows

        task = context.task
        if not task.corpus:
            raise ConfigError(
                f"task '{task.name}' has no corpus to go on pretraining with",
                remedy="name a folder of documents under 'corpus' in its task.yaml",
            )
        return windows(task.corpus, model.chat, min(self.max_length, trainable_length(model)) - reserved)

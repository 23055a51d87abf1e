"""Weights kinds that learn answers by next-token loss: each says only what of the network moves."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.protocols import LanguageModel, TrainingContext, TrainingResult, Weights
from harness.core.values import TrainingExample
from harness.models.random_state import seeded
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    from harness.training.loop import Loss
    from harness.training.tokenized import TokenizedExample


@dataclass(frozen=True, kw_only=True)
class Supervised(TrainingSettings, Weights):
    """Trains on lessons with the one loop. `train` works on the network that it is handed."""

    @property
    def uses_scores(self) -> bool:
        return self.dev_examples != 0

    @abstractmethod
    def prepare(self, model: LanguageModel) -> None:
        """Give `requires_grad` to what shall move, and to nothing else."""

    def outline(self, model: LanguageModel) -> int:
        self.prepare(model)
        return 0

    def rows(
        self, model: LanguageModel, lessons: Sequence[TrainingExample], context: TrainingContext
    ) -> tuple[list[TokenizedExample], tuple[str, ...]]:
        """What is learnt, as token ids, and the ids of what was too long to learn.

        Raises:
            ConfigError: nothing is short enough.
        """
        from harness.training.tokenized import to_rows

        longest = min(self.max_length, model.context)
        rows, dropped = to_rows(lessons, model.chat, longest, self.prompt_loss_weight)
        if lessons and not rows:
            raise ConfigError(
                f"all {len(lessons)} lessons are longer than {longest} tokens", remedy="raise max_length"
            )
        return rows, dropped

    def train(
        self, model: LanguageModel, lessons: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.training.encoder_decoder_loss import answer_loss, check
        from harness.training.tokenized import to_rows

        check(model.spec, model.network, self, self)
        rows, dropped = self.rows(model, lessons, context)
        longest = min(self.max_length, model.context)
        dev_rows, _ = to_rows(context.dev[: self.dev_examples], model.chat, longest)
        lost = (f"{len(dropped)} of {len(lessons)} lessons are longer than {longest} tokens: dropped",)
        result = self.learn(model, rows, dev_rows, context, answer_loss(model.network))
        return replace(result, dropped=dropped, notes=(*(lost if dropped else ()), *result.notes))

    def learn(
        self,
        model: LanguageModel,
        rows: Sequence[TokenizedExample],
        dev_rows: Sequence[TokenizedExample],
        context: TrainingContext,
        loss: Loss,
    ) -> TrainingResult:
        """Prepare the network and run the loop over `rows` with `loss`."""
        from harness.models.layers import weights_io
        from harness.training.loop import fit

        with seeded(context.seed):
            self.prepare(model)
            learnt, total = weights_io.count(model.network)
            done = fit(model, rows, dev_rows, self, context, loss)
        return TrainingResult(
            model=model,
            trainable_parameters=learnt,
            total_parameters=total,
            steps=done.steps,
            tokens=done.tokens,
            seconds=done.seconds,
            best_step=done.best.step if done.best else done.steps,
            best_dev_score=done.best.score if done.best else None,
            best_dev_loss=done.best.loss if done.best else None,
            notes=done.notes,
        )

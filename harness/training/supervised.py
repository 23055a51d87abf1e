"""Base class of the weights kinds that learn answers by next-token loss; a kind only says which parameters
are trained."""

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
    from harness.training.gradient_accumulation import Loss
    from harness.training.tokenized import TokenizedExample


@dataclass(frozen=True, kw_only=True)
class Supervised(TrainingSettings, Weights):
    """Trains with the shared loop. `train` modifies the network it is given."""

    @property
    def uses_scores(self) -> bool:
        return self.dev_examples != 0

    @abstractmethod
    def prepare(self, model: LanguageModel) -> None:
        """Set `requires_grad` on the parameters to train, and on nothing else."""

    def outline(self, model: LanguageModel) -> int:
        self.prepare(model)
        return 0

    def rows(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> tuple[list[TokenizedExample], tuple[str, ...]]:
        """The training rows as token ids, and the ids of examples that are too long.

        Raises:
            ConfigError: every example is too long.
        """
        from harness.models.rotary import trainable_length
        from harness.training.tokenized import to_rows

        longest = min(self.max_length, trainable_length(model))
        rows, dropped = to_rows(examples, model.chat, longest, self.prompt_loss_weight)
        if examples and not rows:
            raise ConfigError(
                f"all {len(examples)} training examples are longer than {longest} tokens",
                remedy="raise max_length",
            )
        return rows, dropped

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.models.rotary import trainable_length
        from harness.training.encoder_decoder_loss import answer_loss, check
        from harness.training.tokenized import to_rows

        check(model.spec, model.network, self, self)
        rows, dropped = self.rows(model, examples, context)
        longest = min(self.max_length, trainable_length(model))
        dev_rows, _ = to_rows(context.dev[: self.dev_examples], model.chat, longest)
        dropped_note = (
            f"{len(dropped)} of {len(examples)} training examples are longer than {longest} tokens: dropped",
        )
        result = self.learn(model, rows, dev_rows, context, answer_loss(model.network))
        return replace(
            result,
            dropped=dropped,
            why_dropped=f"longer than {longest} tokens (max_length)",
            notes=(*(dropped_note if dropped else ()), *result.notes),
        )

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
            trainable, total = weights_io.count(model.network)
            if not trainable:
                raise ConfigError(
                    f"{self.name()} trains no parameter of {type(model.network).__name__}",
                    remedy="`prepare` must choose parameters that this network has: see network.named_parameters()",
                )
            fit_result = fit(model, rows, dev_rows, self, context, loss)
        return TrainingResult(
            model=model,
            trainable_parameters=trainable,
            total_parameters=total,
            steps=fit_result.steps,
            tokens=fit_result.tokens,
            seconds=fit_result.seconds,
            best_step=fit_result.best.step if fit_result.best else fit_result.steps,
            best_dev_score=fit_result.best.score if fit_result.best else None,
            best_dev_loss=fit_result.best.loss if fit_result.best else None,
            notes=fit_result.notes,
        )

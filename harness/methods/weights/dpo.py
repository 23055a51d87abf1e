"""Preferences: the better of two answers becomes more likely than the worse, measured from a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from harness.core.errors import ConfigError
from harness.core.kinds import Translate, knob
from harness.core.protocols import LanguageModel, TrainingContext, TrainingResult
from harness.core.values import TrainingExample
from harness.training import lora_settings
from harness.training.settings import TrainingSettings
from harness.training.supervised import Supervised


@dataclass(frozen=True, kw_only=True)
class Dpo(lora_settings.LowRank, Supervised):
    """Direct preference optimization of a LoRA adapter; the reference is the model before this stage.

    Pairs are the task's own where its rows have a rejected answer (`chosen`/`rejected`, or `meta.rejected`).
    For the other training examples `samples` answers are drawn from the model before this stage, and the
    worst of those that the task's primary scorer does not give full marks is rejected in favor of the
    target. A training example that the model always answers correctly makes no pair.
    """

    paper: ClassVar[str] = "Rafailov et al. 2023, DPO, https://arxiv.org/abs/2305.18290"
    spreads: ClassVar[bool] = True
    aliases: ClassVar[Mapping[str, str]] = {**TrainingSettings.aliases, **lora_settings.ALIASES}
    foreign: ClassVar[Mapping[str, Translate]] = {**TrainingSettings.foreign, **lora_settings.FOREIGN}
    implied: ClassVar[Mapping[str, Translate]] = lora_settings.IMPLIED

    learning_rate: PositiveFloat = knob(
        1e-4, low=1e-6, high=1e-3, log=True, doc="a tenth of LoRA's; 1e-6 in the paper for all weights"
    )
    num_train_epochs: PositiveFloat = knob(1.0, low=1.0, high=3.0, doc="passes over the pairs; one is usual")
    beta: PositiveFloat = knob(
        0.1,
        low=0.01,
        high=0.5,
        log=True,
        doc="how closely to stay with the reference; 0.1 to 0.5 in the paper",
    )
    loss_type: Literal["sigmoid", "ipo", "hinge"] = knob(
        "sigmoid", choices=("sigmoid", "ipo", "hinge"), doc="ipo: arXiv:2310.12036, hinge: arXiv:2305.10425"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = knob(
        0.0,
        low=0.0,
        high=0.3,
        active_if=("loss_type", "sigmoid"),
        doc="share of pairs that may be labeled the wrong way round (sigmoid)",
    )
    prompt_loss_weight: NonNegativeFloat = knob(0.0, doc="only 0: preferences have no loss on prompts")
    samples: PositiveInt = knob(4, doc="answers drawn for each training example that has no rejected one")
    temperature: PositiveFloat = knob(1.0, low=0.5, high=1.5, doc="of these draws")

    @property
    def uses_scores(self) -> bool:
        return True

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.models.architecture import require
        from harness.models.rotary import trainable_length
        from harness.training import dpo_loss

        require(model.spec, model.network, self)
        if self.prompt_loss_weight:
            raise ConfigError("dpo has no loss on prompts", remedy="leave prompt_loss_weight at 0")
        drawn = self._with_rejected(model, examples, context)
        longest = min(self.max_length, trainable_length(model))
        pairs, long, same = dpo_loss.pairs(drawn, model.chat, longest)
        if not pairs:
            raise ConfigError(
                f"{len(examples)} training examples make no preference pair",
                remedy="give rows a rejected answer, or raise samples, temperature or max_length",
            )
        dev, _, _ = dpo_loss.pairs(context.dev[: self.dev_examples], model.chat, longest, first=len(drawn))
        share = dpo_loss.shares_prefix(model.network, pairs)
        size = 2 * self.per_device_train_batch_size
        loss = dpo_loss.PreferenceLoss(
            pairs={pair.chosen.id: pair for pair in (*pairs, *dev)},
            reference=dpo_loss.reference(model.network, (*pairs, *dev), size, share),
            beta=self.beta,
            loss_type=self.loss_type,
            label_smoothing=self.label_smoothing,
            share_prefix=share,
        )
        result = self.learn(model, [p.key for p in pairs], [p.key for p in dev], context, loss)
        note = (
            f"{len(pairs)} preference pairs of {len(examples)} training examples; {len(long)} longer than {longest} "
            f"tokens, {len(same)} with two equal answers, the others without a wrong answer"
        )
        learnt = {pair.key.id.rpartition("#")[0] for pair in pairs}
        return replace(
            result,
            dropped=tuple(example.id for example in examples if example.id not in learnt),
            why_dropped=f"longer than {longest} tokens (max_length), or without a wrong answer to prefer them to",
            notes=(note, *result.notes),
        )

    def _with_rejected(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> list[TrainingExample]:
        """The training examples; those without a rejected answer get the model's own worst one."""
        from harness.training.on_policy_samples import sample

        bare = [example for example in examples if example.rejected is None]
        reward = context.reward
        if not bare or reward is None:
            return list(examples)
        answers = sample(
            model,
            bare,
            count=self.samples,
            temperature=self.temperature,
            max_new_tokens=context.task.max_new_tokens,
            seed=context.seed,
        )
        worst: dict[str, str] = {}
        for example, some in zip(bare, answers, strict=True):
            scored = [(value, text) for text in some if (value := reward(example.id, text)) is not None]
            value, text = min(scored, default=(1.0, ""))
            if value < 1.0:
                worst[example.id] = text
        return [
            example if example.rejected is not None else replace(example, rejected=worst.get(example.id))
            for example in examples
        ]

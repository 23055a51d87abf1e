"""The task's own scorer as the reward: of several sampled answers, the better ones become more likely."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from harness.core.errors import ConfigError
from harness.core.kinds import Translate, knob
from harness.core.probes import WeightsProbe
from harness.core.protocols import LanguageModel, TrainingContext, TrainingResult, Weights
from harness.core.values import TrainingExample
from harness.training import lora_settings


@dataclass(frozen=True, kw_only=True)
class Grpo(lora_settings.LowRank, Weights):
    """Group-relative policy optimization of a LoRA adapter, with trl.

    The reward is the primary scorer's value of the answer after extraction, and 0 for an answer that is not
    in the task's format. Prompts whose answers all get the same reward teach nothing, so run it after a
    supervised stage (`[lora, grpo]`) unless the base is right occasionally. The last weights are kept.
    """

    paper: ClassVar[str] = "Shao et al. 2024, DeepSeekMath, https://arxiv.org/abs/2402.03300"
    aliases: ClassVar[Mapping[str, str]] = lora_settings.ALIASES
    foreign: ClassVar[Mapping[str, Translate]] = lora_settings.FOREIGN
    implied: ClassVar[Mapping[str, Translate]] = lora_settings.IMPLIED

    learning_rate: PositiveFloat = knob(
        1e-4, low=1e-6, high=1e-3, log=True, doc="1e-6 in the paper for all weights; more for LoRA"
    )
    num_train_epochs: PositiveFloat = knob(1.0, low=0.25, high=4.0, doc="passes over the prompts")
    num_generations: Annotated[int, Field(ge=2)] = knob(
        4, choices=(4, 8, 16), doc="answers drawn for a prompt; 64 in the paper"
    )
    prompts_per_step: PositiveInt = knob(8, choices=(2, 4, 8, 16), doc="prompts in one optimizer step")
    temperature: PositiveFloat = knob(1.0, low=0.5, high=1.5, doc="of the draws")
    epsilon: PositiveFloat = knob(0.2, choices=(0.1, 0.2, 0.3), doc="how far one step may move a probability")
    loss_type: Literal["grpo", "dr_grpo", "dapo"] = knob(
        "dapo",
        choices=("grpo", "dr_grpo", "dapo"),
        doc="how tokens are averaged; dr_grpo: arXiv:2503.20783, dapo: arXiv:2503.14476",
    )
    scale_rewards: Literal["group", "none"] = knob(
        "group", choices=("group", "none"), doc="divide by the deviation of a prompt's rewards, or not"
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = knob(
        "constant", choices=("linear", "cosine", "constant"), doc="constant in the paper"
    )
    warmup_steps: NonNegativeFloat = knob(
        0.0, low=0.0, high=0.2, doc="below 1: share of all steps; else steps"
    )
    max_grad_norm: NonNegativeFloat = knob(
        1.0, choices=(0.3, 1.0), doc="gradients are cut to this norm; 0: they are not cut"
    )
    dev_examples: Literal[0] = knob(0, doc="dev is not looked at")

    @classmethod
    def probe(cls) -> WeightsProbe:
        return WeightsProbe(loss_falls=False)

    @property
    def uses_scores(self) -> bool:
        return True

    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        from harness.models.architecture import require
        from harness.models.layers import weights_io
        from harness.models.random_state import seeded
        from harness.models.rotary import trainable_length
        from harness.training import grpo_trainer

        require(model.spec, model.network, self)
        if context.reward is None:
            raise ConfigError("grpo needs a task whose scorer can score answers")
        limit = context.task.max_new_tokens
        fits = [x for x in examples if len(model.chat.encode(x.messages)) + limit <= trainable_length(model)]
        if not fits:
            raise ConfigError(
                "nothing to learn from", remedy="every prompt is longer than the model's context"
            )
        with seeded(context.seed):
            self.prepare(model)
        trainable, total = weights_io.count(model.network)
        rollouts = grpo_trainer.Rollouts(model, fits, limit, self.temperature, context.seed)
        telemetry, clock = grpo_trainer.Telemetry(context.on_step), time.monotonic()
        steps = self._steps(len(fits))
        grpo_trainer.train(rollouts, context.reward, telemetry, context.folder, self._trl(steps, limit))
        return TrainingResult(
            model=model,
            trainable_parameters=trainable,
            total_parameters=total,
            steps=telemetry.steps,
            tokens=telemetry.tokens,
            seconds=time.monotonic() - clock,
            best_step=telemetry.steps,
            dropped=tuple(x.id for x in examples if x not in fits),
            why_dropped=f"longer than the model's context of {model.context} tokens",
            notes=(_note(telemetry.rewards, telemetry.even),),
        )

    def _steps(self, examples: int) -> int:
        return max(1, math.ceil(math.ceil(examples / self.prompts_per_step) * self.num_train_epochs))

    def _trl(self, steps: int, max_new_tokens: int) -> dict[str, object]:
        """The settings in trl's own names."""
        same = ("learning_rate", "num_generations", "temperature", "epsilon", "loss_type", "scale_rewards")
        more = ("lr_scheduler_type", "warmup_steps", "max_grad_norm")
        return {name: getattr(self, name) for name in (*same, *more)} | {
            "max_steps": steps,
            "per_device_train_batch_size": self.num_generations * self.prompts_per_step,
            "max_completion_length": max_new_tokens,
            "beta": 0.0,
            "bf16": False,
            "activation_checkpointing": False,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
        }


def _note(rewards: Sequence[float], even: Sequence[float]) -> str:
    if not rewards:
        return "the scorer failed on every answer: nothing was learned"
    few = max(1, len(rewards) // 4)
    first, last = sum(rewards[:few]) / few, sum(rewards[-few:]) / few
    return (
        f"mean reward {first:.3f} over the first {few} steps, {last:.3f} over the last {few}; "
        f"{sum(even) / len(even):.0%} of prompts taught nothing (all their answers got the same)"
    )

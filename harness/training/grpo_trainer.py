"""trl's GRPO on our network: our engine samples answers, the task scores them, trl computes the update."""

from __future__ import annotations

import contextlib
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, EngineError
from harness.core.protocols import LanguageModel, StepRecord
from harness.core.torch_types import Network
from harness.core.values import Request, TrainingExample
from harness.models.cache import quiet
from harness.models.random_state import restored

if TYPE_CHECKING:
    from transformers import TrainingArguments

    from harness.engines.hf.engine import HfEngine


@dataclass
class Rollouts:
    """Answers of the current model, sampled by our engine for trl.

    trl passes each prompt back as the text it was given, which is the training example's index.
    """

    model: LanguageModel
    examples: Sequence[TrainingExample]
    max_new_tokens: int
    temperature: float
    seed: int
    drawn: int = 0
    engine: HfEngine | None = None
    """Made for the first step and kept, so that later ones know what did not fit into memory."""

    def __call__(self, prompts: Sequence[str], _trainer: object) -> dict[str, list[list[int]] | None]:
        """Token ids of prompts and answers.

        Raises:
            EngineError: a prompt could not be answered.
        """
        from harness.engines.hf.engine import HfEngine

        requests = []
        for prompt in prompts:
            self.drawn += 1
            requests.append(
                Request(
                    id=prompt,
                    messages=self.examples[int(prompt)].messages,
                    max_new_tokens=self.max_new_tokens,
                    temperature=self.temperature,
                    seed=self.seed * 1_000_003 + self.drawn,
                )
            )
        answers: list[list[int]] = [[] for _ in requests]
        if self.engine is None:
            self.engine = HfEngine(self.model)
            self.engine.folds = False  # trl computes the chances of these tokens with the adapter as it is
        for position, completion in self.engine.generate(requests):
            if completion.finish_reason == "error":
                raise EngineError(
                    f"training example '{self.examples[int(prompts[position])].id}': {completion.error}"
                )
            answers[position] = list(completion.token_ids)
        prompt_ids = [self.model.chat.encode(request.messages) for request in requests]
        return {"prompt_ids": prompt_ids, "completion_ids": answers, "logprobs": None}


@dataclass
class Telemetry:
    """trl's logs as step records; `rewards` and `even` hold each scored step's mean reward and the share of
    its prompts whose answers all got the same reward."""

    on_step: Callable[[StepRecord], None]
    rewards: list[float] = field(default_factory=list)
    even: list[float] = field(default_factory=list)
    steps: int = 0
    tokens: int = 0
    clock: float = field(default_factory=time.monotonic)

    def log(self, step: int, logs: Mapping[str, Any]) -> None:
        if "reward" not in logs:
            return
        tokens, now = int(logs["num_tokens"]), time.monotonic()
        if logs["reward"] is not None:  # the scorer failed on every answer of this step
            self.rewards.append(float(logs["reward"]))
            self.even.append(float(logs["frac_reward_zero_std"]))
        self.steps += 1
        self.on_step(
            StepRecord(
                step=step,
                epoch=float(logs["epoch"]),
                loss=float(logs["loss"]),
                learning_rate=float(logs["learning_rate"]),
                grad_norm=float(logs["grad_norm"]),
                tokens=tokens - self.tokens,
                seconds=now - self.clock,
            )
        )
        self.tokens, self.clock = tokens, now


def train(
    rollouts: Rollouts,
    reward: Callable[[str, str], float | None],
    telemetry: Telemetry,
    folder: Path,
    settings: Mapping[str, object],
) -> None:
    """Run trl's GRPOTrainer on the parameters that have `requires_grad`; `settings` are trl's own.

    Raises:
        ConfigError: trl is not installed, or refuses the settings.
    """
    trl = _trl()
    from transformers import PrinterCallback, TrainerCallback, TrainerState

    class Report(TrainerCallback):
        def on_log(self, args: object, state: TrainerState, control: object, **callback: Any) -> None:
            telemetry.log(state.global_step, callback.get("logs") or {})

    def score(
        prompts: Sequence[str], completion_ids: Sequence[Sequence[int]], **_: object
    ) -> list[float | None]:
        chat = rollouts.model.chat
        return [
            reward(rollouts.examples[int(prompt)].id, chat.decode([i for i in ids if i not in chat.eos_ids]))
            for prompt, ids in zip(prompts, completion_ids, strict=True)
        ]

    from datasets import Dataset

    network = rollouts.model.network
    with _left_alone(network), quiet(), warnings.catch_warnings():
        # `rollout_func` is marked experimental; the version of trl is part of every run's record.
        warnings.filterwarnings("ignore", message="You are using 'rollout_func'")
        # trl 1.16 passes the old name to transformers 5.23.
        warnings.filterwarnings("ignore", message=".*gradient_checkpointing.* is deprecated")
        try:
            arguments = trl.GRPOConfig(
                output_dir=str(folder / "trl"),
                use_cpu=network.device.type == "cpu",
                seed=rollouts.seed,
                **settings,
            )
        except ValueError as error:
            raise ConfigError(f"trl refuses these settings: {error}") from None
        _on_one_device(arguments)
        trainer = trl.GRPOTrainer(
            model=network,
            reward_funcs=score,
            args=arguments,
            train_dataset=Dataset.from_dict({"prompt": [str(i) for i in range(len(rollouts.examples))]}),
            processing_class=rollouts.model.chat.tokenizer,
            rollout_func=rollouts,
            callbacks=[Report()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _on_one_device(arguments: TrainingArguments) -> None:
    """Keep the Trainer from copying the network to every visible GPU (DataParallel), where a pass with our
    own cache and a quantized network cannot be split."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1


def _trl() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import trl
    except ImportError:
        raise ConfigError(
            "weights: grpo needs the package trl",
            remedy="pip install 'finetune-or-prompt-harness[preference]'",
        ) from None
    return trl


@contextlib.contextmanager
def _left_alone(network: Network) -> Iterator[None]:
    """Undo trl's side effects: the network's forward and the process's random states."""
    import numpy as np

    forward, states = vars(network).get("forward"), (random.getstate(), np.random.get_state())
    try:
        with restored():
            yield
    finally:
        vars(network).pop("forward", None)
        if forward is not None:
            network.forward = forward
        network.zero_grad(set_to_none=True)
        network.eval()
        random.setstate(states[0])
        np.random.set_state(states[1])

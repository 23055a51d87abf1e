"""What training changes, what a stage is handed, and what it reports."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from harness.core.kinds import Kind
from harness.core.probes import WeightsProbe
from harness.core.protocols.models import ArchitectureName, Base, LanguageModel
from harness.core.protocols.tasks import Task
from harness.core.torch_types import ModelConfig
from harness.core.training_facts import TrainingFacts
from harness.core.values import (
    TrainingExample,
)


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """Telemetry of one optimizer step; `loss` is the mean over response tokens, in nats."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    seconds: float
    dev_loss: float | None = None
    dev_score: float | None = None
    stage: str = ""
    dev_part: int | None = None
    """The number of dev examples that `dev_score` is the mean of, if not all."""
    rung_score: float | None = None
    """The mean over the dev examples that every trial is scored on at this rung, if `dev_score` covers
    more."""


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Everything a training stage receives besides the model and its examples."""

    task: Task
    seed: int
    folder: Path
    dev: Sequence[TrainingExample]
    dev_score: Callable[[LanguageModel], float] | None
    """Scores the current model on (a part of) dev, as a mean in [0, 1]; never on test."""
    dev_scores: Callable[[LanguageModel, int], Sequence[float | None]] | None = None
    """The primary scores of the first N dev examples, in one fixed random order; None if the scorer
    failed."""
    on_step: Callable[[StepRecord], None]
    reward: Callable[[str, str], float | None] | None = None
    """(training example id, answer) → the task's primary score of that answer, 0 if it is invalid; None
    if the scorer itself failed, which never counts as wrong."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """A stage's result: the trained `model` and figures. Losses are in nats per response token."""

    model: LanguageModel
    trainable_parameters: int
    total_parameters: int
    steps: int
    tokens: int
    seconds: float
    best_step: int
    best_dev_score: float | None = None
    best_dev_loss: float | None = None
    dropped: tuple[str, ...] = ()
    """Ids of training examples that were not learned from."""
    why_dropped: str = ""
    """Why they were dropped, in words that follow "the others are"."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Weights(TrainingFacts, Kind):
    """What training changes: a LoRA adapter, a soft prompt, the whole network."""

    architectures: ClassVar[tuple[ArchitectureName, ...]] = ("decoder",)
    """The kinds of network it can train."""
    reads_examples: ClassVar[bool] = True
    """Whether it learns from training examples, and not from the corpus alone."""
    exported_as: ClassVar[Literal["weights", "input", "nothing"]] = "weights"
    """The form in which other tools can use it: changed weights, a prefix of the input, or not at all."""

    trains_base: ClassVar[bool] = False
    """Whether it trains the base's own weights, which a quantized base does not have."""
    spreads: ClassVar[bool] = False
    """Whether it can be trained on a network that is laid over several devices."""
    adapter: ClassVar[str] = ""
    """peft's method, for a kind that puts its adapters into the network; those of one method are active together."""

    def obstacle(self, base: Base, earlier: Sequence[Weights]) -> str | None:
        """Why this stage cannot follow the `earlier` ones over `base`, judged before anything is loaded; None if
        it can."""
        if not base.quantized:
            return None
        if self.trains_base:
            return f"{self.name()} trains the base's own weights, which base {base.name()} holds in few bits"
        if self.adapter and any(stage.adapter not in ("", self.adapter) for stage in earlier):
            return f"{self.name()} after adapters of another method needs these merged, which rounds base {base.name()}"
        return None

    def unsuited(self, config: ModelConfig) -> str | None:
        """Why this stage cannot train a network of this transformers configuration, judged before anything is loaded;
        None if it can, as far as the configuration tells."""
        return None

    @property
    def alters_base(self) -> bool:
        """Whether the network's own weights change, so that the base must be loaded again to have
        it untouched; otherwise `harness.models.layers.adapters.detach` gives it back."""
        return True

    @classmethod
    def probe(cls) -> WeightsProbe:
        """What the contract tests need to test it."""
        return WeightsProbe()

    def outline(self, model: LanguageModel) -> int:
        """Prepare a network on the meta device, so that its parameters can be counted.

        Returns:
            Parameters that this kind adds and that such a network cannot hold, e.g. a learned prompt.
        """
        return 0

    @property
    def learnt_tokens(self) -> int:
        """Tokens of context that the trained part takes from every prompt."""
        return 0

    @property
    def uses_scores(self) -> bool:
        """Whether the task's format or scorers decide what is learned: by the dev scores that choose a
        checkpoint, by rewards, or by labels. True by default."""
        return True

    @abstractmethod
    def train(
        self, model: LanguageModel, examples: Sequence[TrainingExample], context: TrainingContext
    ) -> TrainingResult:
        """Train `model` in place.

        Args:
            model: the base, with the parts of earlier stages in place.
            examples: prompts and targets from train.
            context: seed, dev scores, checkpoints and where steps are recorded.

        Returns:
            The trained model and the training's figures.
        """

    @abstractmethod
    def save(self, model: LanguageModel, folder: Path) -> None:
        """Write the trained part as safetensors."""

    @abstractmethod
    def load(self, model: LanguageModel, folder: Path) -> LanguageModel:
        """`model`, the untrained base, with the trained part from `folder` in place."""

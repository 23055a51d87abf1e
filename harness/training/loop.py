"""The training loop. It names no method: what may change is what has `requires_grad`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import LanguageModel, StepRecord, TrainingContext
from harness.training import checkpoint
from harness.training.batches import Batch, collate, plan, step_count
from harness.training.evaluation import Evaluation, evaluate
from harness.training.loss import check_network, response_loss
from harness.training.noise import noisy_embeddings
from harness.training.optimizer import Optimizer, learning_rate
from harness.training.rows import Row
from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch

Loss = Callable[[Any, Batch], "torch.Tensor"]
"""(network, batch) → the weighted sum of losses over its positions, in nats."""


@dataclass
class LoopState:
    """All that changes while training goes on, besides the weights and the optimiser."""

    step: int = 0
    tokens: int = 0
    best: Evaluation | None = None
    worse_in_a_row: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What the loop did; the network holds the best weights and is in eval mode."""

    steps: int
    tokens: int
    seconds: float
    best: Evaluation | None
    notes: tuple[str, ...]


def fit(
    model: LanguageModel,
    rows: Sequence[Row],
    dev_rows: Sequence[Row],
    settings: TrainingSettings,
    context: TrainingContext,
    loss: Loss = response_loss,
) -> Fit:
    """Train `model.network` in place and leave it with the weights that did best on dev.

    Every step is reported through `context.on_step`, and nothing is printed. The loss of a step
    is normalised over all its tokens, so that accumulation equals a large batch.

    Raises:
        ConfigError: nothing to learn from.
        RunError: a loss or gradient that is not finite, with the step and the lessons in it.
    """
    if not rows:
        raise ConfigError(
            "nothing to learn from", remedy="every lesson was dropped or filtered; see max_length"
        )
    return _Loop(model, rows, dev_rows, settings, context, loss).run()


class _Loop:
    def __init__(
        self,
        model: LanguageModel,
        rows: Sequence[Row],
        dev_rows: Sequence[Row],
        settings: TrainingSettings,
        context: TrainingContext,
        loss: Loss,
    ) -> None:
        self.model, self.network = model, model.network
        self.rows, self.dev_rows = rows, dev_rows
        self.settings, self.context, self.loss = settings, context, loss
        self.device = next(self.network.parameters()).device
        self.step_size = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        self.steps_per_epoch = math.ceil(len(rows) / self.step_size)
        self.total = step_count(len(rows), self.step_size, settings.num_train_epochs)
        self.best_file: Path = context.folder / "best.safetensors"
        self.state = LoopState()
        # Noise is drawn for every row: a prefix computed once would have one noise for all.
        self.share_prefix = settings.neftune_noise_alpha == 0

    def run(self) -> Fit:
        began = time.monotonic()
        self._check_network()
        parameters = checkpoint.trainable(self.network)
        optimizer = Optimizer(parameters.values(), self.settings)
        try:
            with noisy_embeddings(self.network, self.settings.neftune_noise_alpha):
                for step in self._steps():
                    self._step(step, optimizer)
                    if self._patience_is_over():
                        break
        finally:
            optimizer.close()
            self.network.eval()
        self._restore_best()
        state = self.state
        seconds = time.monotonic() - began
        return Fit(
            steps=state.step, tokens=state.tokens, seconds=seconds, best=state.best, notes=tuple(state.notes)
        )

    def _steps(self):  # type: ignore[no-untyped-def]
        """The batches of each optimiser step, epoch after epoch."""
        lengths = [len(row) for row in self.rows]
        micro, accumulation = (
            self.settings.per_device_train_batch_size,
            self.settings.gradient_accumulation_steps,
        )
        epoch = 0
        while self.state.step < self.total:
            for step in plan(lengths, micro, accumulation, seed=self.context.seed * 1_000_003 + epoch):
                if self.state.step == self.total:
                    return
                yield [self._collate([self.rows[i] for i in batch]) for batch in step]
            epoch += 1

    def _collate(self, rows: Sequence[Row]) -> Batch:
        return collate(rows, self.device, self.share_prefix)

    def _step(self, batches: Sequence[Batch], optimizer: Optimizer) -> None:
        state, began = self.state, time.monotonic()
        self.network.train()
        weight = sum(float(batch.weights.sum()) for batch in batches)
        total = 0.0
        for batch in batches:
            loss = self.loss(self.network, batch) / weight
            total += self._finite(float(loss.detach()), "loss", batches)
            loss.backward()
        rate = learning_rate(self.settings, state.step, self.total)
        norm = self._finite(optimizer.step(rate), "gradient norm", batches)
        tokens = sum(batch.tokens for batch in batches)
        state.step += 1
        state.tokens += tokens
        seconds = time.monotonic() - began
        found = self._evaluate() if self._is_evaluated() else None
        self.context.on_step(
            StepRecord(
                step=state.step,
                epoch=state.step / self.steps_per_epoch,
                loss=total,
                learning_rate=rate,
                grad_norm=norm,
                tokens=tokens,
                seconds=seconds,
                dev_loss=found.loss if found else None,
                dev_score=found.score if found else None,
            )
        )

    def _finite(self, value: float, what: str, batches: Sequence[Batch]) -> float:
        if math.isfinite(value):
            return value
        ids = ", ".join(row for batch in batches for row in batch.rows)
        kept = (
            f"; the weights of step {self.state.best.step} are in {self.best_file}" if self.state.best else ""
        )
        raise RunError(
            f"{what} is {value} at step {self.state.step + 1} of {self.total} (lessons {ids}){kept}"
            " — lower learning_rate, raise warmup_steps, or look at these lessons"
        )

    def _is_evaluated(self) -> bool:
        """Evaluations are spread evenly over each epoch, and one falls on the last step."""
        times, step, length = self.settings.eval_per_epoch, self.state.step, self.steps_per_epoch
        if not times or not (self.dev_rows or self.context.dev_score):
            return False
        return step == self.total or step * times // length > (step - 1) * times // length

    def _evaluate(self) -> Evaluation:
        state = self.state
        batch_size = 2 * self.settings.per_device_train_batch_size
        found = evaluate(
            self.model,
            self.dev_rows,
            self.context.dev_score,
            self.loss,
            batch_size,
            state.step,
            self.share_prefix,
        )
        if state.best is None or found.rank > state.best.rank:
            state.best, state.worse_in_a_row = found, 0
            checkpoint.save(checkpoint.trainable(self.network), self.best_file)
        else:
            state.worse_in_a_row += 1
        return found

    def _patience_is_over(self) -> bool:
        patience, state = self.settings.early_stopping_patience, self.state
        if not patience or state.worse_in_a_row < patience:
            return False
        state.notes.append(
            f"stopped early at step {state.step} of {self.total}: {patience} evaluations without gain"
        )
        return True

    def _restore_best(self) -> None:
        state = self.state
        if state.best is not None and state.best.step != state.step:
            checkpoint.restore(self.network, self.best_file)
            state.notes.append(f"kept the weights of step {state.best.step} of {state.step}, the best on dev")
        self.best_file.unlink(missing_ok=True)

    def _check_network(self) -> None:
        """Find out on two short rows whether this network's loss can be computed the fast way."""
        if self.loss is not response_loss:
            self.share_prefix = False
            return
        few = sorted(self.rows, key=len)[:2]
        self.network.eval()
        shared, whole = self._collate(few), collate(few, self.device, share_prefix=False)
        if not check_network(self.network, shared, whole):
            self.share_prefix = False
            self.state.notes.append(
                "this network cannot continue a shared prefix: each row is computed whole"
            )

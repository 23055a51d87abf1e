"""The training loop. It knows no methods: it trains whatever has `requires_grad`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import LanguageModel, StepRecord, TrainingContext
from harness.models.layers import weights_io
from harness.models.layers.fused_lora import fused_lora
from harness.models.layers.fused_rmsnorm import fused_norms
from harness.models.layers.gated_mlp import gated_mlps
from harness.models.layers.malloc import kept_memory
from harness.models.layers.narrow_lora import narrow_lora
from harness.models.layers.out_of_memory import release
from harness.models.layers.recomputed_states import recomputed_states
from harness.training import distributed
from harness.training.activation_checkpointing import Recomputation
from harness.training.batching import in_order, plan, step_count
from harness.training.checkpoint import Checkpoint, LoopState, signature
from harness.training.collator import Layout
from harness.training.ema import Average
from harness.training.evaluation import Evaluation, evaluate
from harness.training.fsdp import lacking_somewhere, learner
from harness.training.gradient_accumulation import Gradient, Loss
from harness.training.loss import response_loss
from harness.training.lr_schedule import learning_rate
from harness.training.neftune import noisy_embeddings
from harness.training.optimizer import Optimizer
from harness.training.progressive_eval import DevScore, score
from harness.training.returned_memory import returned_memory
from harness.training.settings import TrainingSettings
from harness.training.tied_gradient import tied_gradient
from harness.training.tokenized import TokenizedExample


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The outcome of training; the network holds the best weights and is in eval mode."""

    steps: int
    tokens: int
    seconds: float
    best: Evaluation | None
    notes: tuple[str, ...]


def fit(
    model: LanguageModel,
    rows: Sequence[TokenizedExample],
    dev_rows: Sequence[TokenizedExample],
    settings: TrainingSettings,
    context: TrainingContext,
    loss: Loss = response_loss,
) -> Fit:
    """Train `model.network` in place and leave it with the weights that did best on dev.

    Every step is reported through `context.on_step`; nothing is printed. The loss of a step is normalized
    over all its tokens, so accumulation equals a large batch. A checkpoint left in `context.folder` by an
    interrupted call is resumed; earlier steps are not reported again. Under torchrun every process calls
    this; they share the rows of each step, and only the first evaluates, reports and writes. With `sharding:
    full` the network has no weights if this raises, and never in a process that was given none.

    Raises:
        ConfigError: nothing to learn from, or a setting that this model or machine does not support.
        RunError: a loss or gradient is not finite (the message names the step and its training examples), or
            a single row does not fit into memory.
    """
    if not rows:
        raise ConfigError(
            "nothing to learn from", remedy="every training example was dropped or filtered; see max_length"
        )
    if settings.packing and settings.neftune_noise_alpha:
        raise ConfigError(
            "packing and neftune_noise_alpha cannot be combined: the noise is scaled by a row's length",
            remedy="omit one of them",
        )
    try:
        return _Loop(model, rows, dev_rows, settings, context, loss).run()
    finally:
        release()  # What answers next does not stand beside optimizer states that are over.


class _Loop:
    def __init__(
        self,
        model: LanguageModel,
        rows: Sequence[TokenizedExample],
        dev_rows: Sequence[TokenizedExample],
        settings: TrainingSettings,
        context: TrainingContext,
        loss: Loss,
    ) -> None:
        self.model, self.network = model, model.network
        self.rows, self.dev_rows = rows, dev_rows
        self.settings, self.context, self.loss = settings, context, loss
        self.step_size = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        self.steps_per_epoch = math.ceil(len(rows) / self.step_size)
        self.total = step_count(len(rows), self.step_size, settings.num_train_epochs)
        self.group = distributed.group()
        self.state = LoopState(micro=settings.per_device_train_batch_size)

    def run(self) -> Fit:
        self.began = time.monotonic()
        with narrow_lora(self.network):
            self.layout = Layout(self.network, self.rows, self.settings, self.loss, self.group)
        self.state.notes += self.layout.notes
        # Sharding brings the main process's weights to processes that have none.
        here = (
            [] if lacking_somewhere(self.network, self.group) else weights_io.trainable(self.network).values()
        )
        self.group.synchronize_start(list(here), self.context.seed)
        self.learner = learner(self.network, self.settings, self.group)
        self.state.notes += self.learner.notes
        parameters = list(weights_io.trainable(self.learner.network).values())
        self.optimizer = Optimizer(parameters, self.settings)
        self.average = Average(self.optimizer, self.settings.ema_decay)
        checkpoint_signature = signature(
            self.settings, self.rows, self.context, [p.shape for p in parameters]
        )
        self.group.assert_same(checkpoint_signature)
        self.checkpoint = Checkpoint(self.context.folder, checkpoint_signature, self.group)
        self._resume()
        recomputation = Recomputation(
            self.learner.network, self.settings.activation_checkpointing or self.state.recomputing
        )
        self.gradient = Gradient(
            self.learner,
            self.optimizer,
            self.loss,
            self.layout.collate,
            self.group,
            self.state.micro,
            recomputation,
        )
        try:
            with (
                noisy_embeddings(self.learner.network, self.settings.neftune_noise_alpha),
                recomputation,
                fused_lora(self.learner.network),
                narrow_lora(self.learner.network),
                fused_norms(self.learner.network),
                gated_mlps(self.learner.network),
                recomputed_states(),
                tied_gradient(self.learner.network),
                kept_memory() as return_now,
                returned_memory(self.learner.network, parameters, return_now) as give_back,
            ):
                for rows in self._steps():
                    self._step(rows, give_back)
                    give_back()
                    if self._patience_is_over():
                        break
                    self._save()
            self._settle()
        finally:
            self.optimizer.close()
            self.network.eval()
        state = self.state
        return Fit(
            steps=state.step,
            tokens=state.tokens,
            seconds=time.monotonic() - self.began,
            best=state.best,
            notes=tuple(state.notes),
        )

    def _resume(self) -> None:
        if (saved := self.checkpoint.load(self.optimizer, self.average)) is not None:
            self.state = saved
            self.state.notes.append(f"resumed from the checkpoint of step {saved.step} of {self.total}")
            self.began -= saved.seconds

    def _steps(self) -> Iterator[list[TokenizedExample]]:
        """The rows of each remaining optimizer step, epoch by epoch."""
        lengths = [len(row) for row in self.rows]
        epoch, skipped = divmod(self.state.step, self.steps_per_epoch)
        while self.state.step < self.total:
            if self.settings.lesson_order == "given":
                steps = in_order(len(lengths), self.step_size)
            else:
                steps = plan(lengths, self.step_size, 1, seed=self.context.seed * 1_000_003 + epoch)
            for step in steps[skipped:]:
                if self.state.step == self.total:
                    return
                yield [self.rows[i] for batch in step for i in batch]
            epoch, skipped = epoch + 1, 0

    def _step(self, rows: Sequence[TokenizedExample], give_back: Callable[[], None]) -> None:
        state, began = self.state, time.monotonic()
        self.learner.network.train()
        loss = self._finite(self.gradient.of(rows, state.step + 1), "loss", rows)
        state.micro, state.recomputing = self.gradient.micro, self.gradient.recomputation.on
        state.notes += self.gradient.notes
        self.gradient.notes = []
        rate = learning_rate(self.settings, state.step, self.total)
        give_back()
        norm = self._finite(self.optimizer.step(rate), "gradient norm", rows)
        self.average.update()
        tokens = sum(len(row) for row in rows)
        state.step += 1
        state.tokens += tokens
        seconds = time.monotonic() - began
        evaluation = self._evaluate() if self._is_evaluated() else None
        if self.group.is_main:
            self.context.on_step(
                StepRecord(
                    step=state.step,
                    epoch=state.step / self.steps_per_epoch,
                    loss=loss,
                    learning_rate=rate,
                    grad_norm=norm,
                    tokens=tokens,
                    seconds=seconds,
                    dev_loss=evaluation.loss if evaluation else None,
                    dev_score=evaluation.score if evaluation else None,
                    dev_part=evaluation.part if evaluation else None,
                    rung_score=evaluation.rung_score if evaluation else None,
                )
            )

    def _finite(self, value: float, what: str, rows: Sequence[TokenizedExample]) -> float:
        if math.isfinite(value):
            return value
        ids = ", ".join(row.id for row in rows)
        best, saved = self.state.best, self.checkpoint.saved
        kept = f"; the weights of step {best.step} are in {self.checkpoint.best(best.step)}" if best else ""
        kept += (
            f"; the last good checkpoint, of step {saved.step}, is {self.checkpoint.file}" if saved else ""
        )
        raise RunError(
            f"{what} is {value} at step {self.state.step + 1} of {self.total} (training examples {ids}){kept}"
            " — lower learning_rate, raise warmup_steps, or look at these training examples"
        )

    def _is_evaluated(self) -> bool:
        """Evaluations are spread evenly over each epoch, and one falls on the last step."""
        times, step, length = self.settings.eval_per_epoch, self.state.step, self.steps_per_epoch
        if not times or not (self.dev_rows or self.context.dev_score):
            return False
        return step == self.total or step * times // length > (step - 1) * times // length

    def _evaluate(self) -> Evaluation:
        state = self.state
        with self.average.in_place(), self.learner.gathered(here=self.group.is_main):
            evaluation: Evaluation = self.group.broadcast(self._measure)
            if evaluation.part is not None:
                return evaluation  # scores of different examples are never compared
            if state.best is not None and evaluation.rank <= state.best.rank:
                state.worse_in_a_row += 1
                return evaluation
            state.best, state.worse_in_a_row = evaluation, 0
            if self.group.is_main:
                weights_io.save(weights_io.trainable(self.network), self.checkpoint.best(evaluation.step))
        self.checkpoint.tidy(state.best)
        return evaluation

    def _measure(self) -> Evaluation:
        return evaluate(
            self.model,
            self.dev_rows,
            self._score,
            self.loss,
            2 * self.gradient.micro,
            self.state.step,
            self.layout.share_prefix,
        )

    def _score(self, model: LanguageModel) -> DevScore:
        return score(model, self.settings, self.context, self.state.step, self.total, self.steps_per_epoch)

    def _patience_is_over(self) -> bool:
        patience, state = self.settings.early_stopping_patience, self.state
        if not patience or state.worse_in_a_row < patience:
            return False
        state.notes.append(
            f"stopped early at step {state.step} of {self.total}: {patience} evaluations without gain"
        )
        return True

    def _save(self) -> None:
        state, every = self.state, self.settings.save_steps
        if every and state.step % every == 0 and state.step < self.total:
            state.seconds = time.monotonic() - self.began
            self.checkpoint.save(state, self.optimizer, self.average)

    def _settle(self) -> None:
        """Leave the network with the best weights, or the averaged ones, or the last."""
        state = self.state
        self.average.settle()
        self.learner.settle()
        if state.best is not None and state.best.step != state.step:
            if self.group.is_main:
                weights_io.restore(self.network, self.checkpoint.best(state.best.step))
            state.notes.append(f"kept the weights of step {state.best.step} of {state.step}, the best on dev")
        if not self.learner.settles_in_main_only:
            self.group.broadcast_tensors(list(weights_io.trainable(self.network).values()))
        self.checkpoint.finished()

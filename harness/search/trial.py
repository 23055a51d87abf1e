"""One trial: a run on dev, stopped early if the pruner decides so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.core.errors import ConfigError, RunError, is_panic
from harness.core.json_types import JsonObject
from harness.core.protocols import StepRecord, Task
from harness.core.recipes import Recipe
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.lines import samples
from harness.results.locks import Lock
from harness.results.records.run import RunRecord
from harness.results.records.sample import SampleRecord
from harness.results.remote import mirror
from harness.runner.again import refreshed
from harness.runner.asked import seen_by
from harness.runner.cells import Cell
from harness.runner.execute import execute, failed
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.search import objectives
from harness.search.study_config import StudyConfig

if TYPE_CHECKING:
    import optuna


class PrunedError(RunError):
    """A trial was stopped because others were better at the same rung."""


class Evaluate(Protocol):
    """A recipe → the record of its run; reports to the trial on the way."""

    def __call__(self, recipe: Recipe, trial: optuna.Trial) -> RunRecord:
        """Raises PrunedError if the trial is not worth finishing."""


@dataclass(frozen=True, kw_only=True)
class RunTrial:
    """Evaluates a recipe as a run on dev. `task` must have no test split."""

    plan: StudyConfig
    task: Task
    workbench: ModelPool

    def __post_init__(self) -> None:
        if "test" in self.task.splits:
            raise ValueError("a search needs a task without its test split")

    def __call__(self, recipe: Recipe, trial: optuna.Trial) -> RunRecord:
        cell = self.plan.cell(self.task, recipe)
        folder = ResultsFolder(self.plan.results).run(cell.id)
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        trial.set_user_attr("run_id", cell.id)
        try:
            with Lock(folder.path):
                record = refreshed(cell, folder)
                record = record if record is not None else self._run(cell, folder, trial)
                return seen_by(cell, record, folder)
        finally:
            mirror.push_run(self.plan.results, folder.path)

    def _run(self, cell: Cell, folder: RunFolder, trial: optuna.Trial) -> RunRecord:
        watch = Watch(trial, folder, cell, by_example=self.plan.pruner == "wilcoxon")
        try:
            record = execute(cell, folder, self.workbench, watch)
        except (KeyboardInterrupt, ConfigError):
            raise
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            steps = folder.train_steps()
            record = failed(cell, folder, error).changed(seconds=watch.seconds)
            if isinstance(error, PrunedError):
                stopped = {"status": "pruned", "error": None, "error_type": None, "traceback": None}
                record = record.changed(**stopped, stopped=str(error))
            else:
                self.workbench.discard()
            record = record.changed(train=_partial(steps, str(record.status)) if steps else None)
            folder.finish(record)
            if is_panic(error):
                raise RunError(f"{type(error).__name__}: {error}") from None
            raise
        if record.status == "partial":
            # Its mean covers only the answers that arrived, and is not comparable with other trials' scores.
            raise RunError(str(record.error))
        return record


def _partial(steps: Sequence[StepRecord], status: str) -> JsonObject:
    """The cost of unfinished training."""
    scores = [step.dev_score for step in steps if step.dev_score is not None and step.dev_part is None]
    losses = [step.dev_loss for step in steps if step.dev_loss is not None]
    return {
        "seconds": sum(step.seconds for step in steps),
        "steps": len(steps),
        "tokens": sum(step.tokens for step in steps),
        "trainable_parameters": 0,
        "total_parameters": 0,
        "best_step": None,
        "best_dev_score": max(scores, default=None),
        "best_dev_loss": min(losses, default=None),
        "dropped": [],
        "notes": [status],
        "bytes": 0,
    }


def rung_value(step: StepRecord) -> float:
    """The dev score with the dev loss. If dev grows, the score is over the part that all trials are scored on
    at this rung."""
    score = step.dev_score if step.rung_score is None else step.rung_score
    assert score is not None
    return objectives.with_loss(score, step.dev_loss)


class Watch(Progress):
    """Reports a run's dev scores to Optuna, and stops the run when the pruner says so.

    A rung is an evaluation of the last stage, counted in `1 / eval_per_epoch` epochs, so that trials
    with other batch sizes and lengths meet at the same rungs. By example (Wilcoxon), the answers on dev
    are reported one by one instead: dev grows, batch by batch, until the worse one is known.
    """

    def __init__(self, trial: optuna.Trial, folder: RunFolder, cell: Cell, *, by_example: bool) -> None:
        import time

        self._clock, self._now = time.monotonic(), time.monotonic
        self.trial, self.folder, self.by_example = trial, folder, by_example
        stages = cell.recipe.weights
        self.last = str(len(stages) - 1)
        self.per_epoch = (stages[-1].eval_per_epoch or 1) if stages else 1
        self.several = len(trial.study.directions) > 1
        self.rung = self.answers = self._read = 0
        self._places = {example.id: index for index, example in enumerate(cell.task.splits[cell.split])}

    @property
    def seconds(self) -> float:
        return self._now() - self._clock

    def step(self, cell: Cell, step: StepRecord) -> None:
        if self.by_example or self.several or step.dev_score is None or step.stage != self.last:
            return
        # The evaluation after a last, partial epoch is its own rung.
        self.rung = max(self.rung + 1, math.floor(step.epoch * self.per_epoch + 1e-9))
        self.trial.report(rung_value(step), self.rung)
        if self.trial.should_prune():
            raise PrunedError(
                f"stopped at step {step.step}, rung {self.rung}: dev score {step.dev_score:.3f}"
            )

    def answered(self, cell: Cell) -> None:
        if not self.by_example or self.several:
            return
        for row in self._new_rows():
            if not row.answered:
                continue
            self.answers += 1
            self.trial.report(row.score(cell.task.primary) or 0.0, self._places[row.sample_id])
        if self.trial.should_prune():
            raise PrunedError(
                f"stopped after {self.answers} answers: worse than the best, example by example"
            )

    def _new_rows(self) -> Sequence[SampleRecord]:
        """Answers since the last call; the first call includes those of an interrupted attempt."""
        new = samples(self.folder.samples)[self._read :]
        self._read += len(new)
        return new


def evaluator(plan: StudyConfig) -> RunTrial:
    """Opens what a worker needs: the task without test, and a base that stays loaded."""
    from harness.search.shared_base_pool import SearchWorkbench
    from harness.tasks.load import load, without_test

    task = without_test(load(plan.task))
    return RunTrial(plan=plan, task=task, workbench=SearchWorkbench(ResultsFolder(plan.results).answers))

"""One trial: a run on dev that is watched, and stopped where the pruner sees no hope."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.core.errors import ConfigError, RunError
from harness.core.protocols import StepRecord, Task
from harness.core.recipes import Recipe
from harness.run.asked import complete, seen_by
from harness.run.cells import Cell
from harness.run.execute import execute, failed
from harness.run.folder import RunFolder, read_lines
from harness.run.locks import Lock
from harness.run.progress import Progress
from harness.run.scoring import mean_score
from harness.run.workbench import Workbench
from harness.search import objectives
from harness.search.plan import Plan
from harness.storage import mirror

if TYPE_CHECKING:
    import optuna


class PrunedError(RunError):
    """A trial was stopped because others were better at the same rung."""


class Evaluate(Protocol):
    """A recipe → the record of its run; reports to the trial on the way."""

    def __call__(self, recipe: Recipe, trial: optuna.Trial) -> Mapping[str, Any]:
        """Raises PrunedError where the trial is not worth finishing."""


@dataclass(frozen=True, kw_only=True)
class RunTrial:
    """Evaluates a recipe as a run on dev. `task` must have no test split."""

    plan: Plan
    task: Task
    workbench: Workbench

    def __post_init__(self) -> None:
        if "test" in self.task.splits:
            raise ValueError("a search is handed a task without its test split")

    def __call__(self, recipe: Recipe, trial: optuna.Trial) -> Mapping[str, Any]:
        cell = self.plan.cell(self.task, recipe)
        folder = RunFolder(self.plan.results / "runs" / cell.id)
        folder.path.parent.mkdir(parents=True, exist_ok=True)
        trial.set_user_attr("run_id", cell.id)
        try:
            with Lock(folder.path):
                record = complete(cell, folder)
                record = record if record is not None else self._run(cell, folder, trial)
                return seen_by(cell, record, folder)
        finally:
            mirror.push_run(self.plan.results, folder.path)

    def _run(self, cell: Cell, folder: RunFolder, trial: optuna.Trial) -> dict[str, Any]:
        watch = Watch(trial, folder, cell, by_example=self.plan.pruner == "wilcoxon")
        try:
            record = execute(cell, folder, self.workbench, watch)
        except (KeyboardInterrupt, ConfigError):
            raise
        except Exception as error:
            lines = list(read_lines(folder.steps))
            seconds = sum(line["seconds"] for line in lines)
            record = failed(cell, folder, error) | {"seconds": watch.seconds}
            if isinstance(error, PrunedError):
                record |= {"status": "pruned", "error": None, "stopped": str(error)}
            else:
                self.workbench.discard()
            record["train"] = _partial(lines, seconds, record["status"]) if lines else None
            folder.finish(record)
            raise
        if record["status"] == "partial":
            # Its mean is of the answers that came: no score to compare with that of other trials.
            raise RunError(record["error"])
        return record


def _partial(lines: list[dict[str, Any]], seconds: float, status: str) -> dict[str, Any]:
    """What a training that did not finish had cost."""
    scores = [x["dev_score"] for x in lines if x["dev_score"] is not None and x.get("dev_part") is None]
    losses = [line["dev_loss"] for line in lines if line["dev_loss"] is not None]
    return {
        "seconds": seconds,
        "steps": len(lines),
        "tokens": sum(line["tokens"] for line in lines),
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
    """The dev score with the dev loss. Where dev grows, the score is that of the part that all trials are
    scored on at this rung."""
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
        self.per_epoch = (getattr(stages[-1], "eval_per_epoch", 1) or 1) if stages else 1
        self.several = len(trial.study.directions) > 1
        self.rung = self.answers = self._read = 0
        self._places = {example.id: place for place, example in enumerate(cell.task.splits[cell.split])}

    @property
    def seconds(self) -> float:
        return self._now() - self._clock

    def step(self, cell: Cell, step: StepRecord) -> None:
        if self.by_example or self.several or step.dev_score is None or step.stage != self.last:
            return
        # The evaluation after a last, broken epoch is a rung of its own.
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
            if row["finish_reason"] == "error":
                continue
            self.answers += 1
            self.trial.report(mean_score([row], cell.task.primary), self._places[row["sample_id"]])
        if self.trial.should_prune():
            raise PrunedError(
                f"stopped after {self.answers} answers: worse than the best, example by example"
            )

    def _new_rows(self) -> Iterator[dict[str, Any]]:
        """Answers since the last call; at the first, also those of an attempt that was interrupted."""
        with self.folder.samples.open("rb") as stream:
            stream.seek(self._read)
            for line in stream:
                self._read += len(line)
                yield json.loads(line)


def evaluator(plan: Plan) -> RunTrial:
    """Opens what a worker needs: the task without test, and a base that stays loaded."""
    from harness.search.bench import SearchWorkbench
    from harness.tasks.load import load, without_test

    task = without_test(load(plan.task))
    return RunTrial(plan=plan, task=task, workbench=SearchWorkbench(Path(plan.results) / "answers"))

"""How long a trial takes, estimated from earlier runs before the first trial starts."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from harness.core.protocols import Task
from harness.estimate import flops_estimate
from harness.results import trials
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.results.records.trial import TrialRecord
from harness.search.study_config import StudyConfig

MOST_RUNS = 20
"""How many earlier runs are read, latest first."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Seconds of a trial, and the basis of the estimate."""

    seconds: float
    source: str
    rough: bool = False


def foreseen(plan: StudyConfig, task: Task | None) -> Estimate | None:
    """From earlier runs, else roughly from the model's size; None if neither is possible. `task` is what
    trials run on, None if they are not runs."""
    known = seconds_per_trial(plan, 0 if task is None else len(task.splits["dev"]))
    if known is not None:
        return Estimate(seconds=known, source="by earlier runs")
    if task is None:
        return None
    guess = flops_estimate.seconds_per_trial(
        plan.default(), plan.model, task, labels=plan.labels, limit=plan.limit, seed=plan.seed
    )
    if guess is None:
        return None
    return Estimate(seconds=guess, source="roughly, by the model's size", rough=True)


def seconds_per_trial(plan: StudyConfig, dev: int) -> float | None:
    """Median seconds of finished trials of the same recipe, task, model, labels and limit; without any, of its
    runs on test, with the answering time scaled to `dev` examples. None: never run."""
    finished = [row.seconds for row in trials.read(plan.results) if row.seconds and _is_like(row, plan)]
    durations = finished or _of_runs(plan, dev)
    return statistics.median(durations) if durations else None


def _is_like(row: TrialRecord, plan: StudyConfig) -> bool:
    if row.state != "complete" or row.duplicate_of is not None or not row.seconds:
        return False
    if row.study == plan.study:
        return True
    mine = (plan.task_name, plan.model, plan.recipe["name"], plan.labels, plan.limit)
    return mine == (row.task, row.model, row.recipe, row.labels, row.limit)


def _of_runs(plan: StudyConfig, dev: int) -> list[float]:
    labels = "" if plan.labels is None else f"-n{plan.labels}"
    folders = ResultsFolder(plan.results).runs.glob(f"{plan.task_name}-{plan.recipe['name']}{labels}-*")
    latest = sorted(folders, key=_changed, reverse=True)[:MOST_RUNS]
    records = [record for folder in latest if (record := RunFolder(folder).finished()) is not None]
    examples = dev if plan.limit is None else min(dev, plan.limit)
    return [_seconds(record, examples) for record in records if _same(record, plan)]


def _same(record: RunRecord, plan: StudyConfig) -> bool:
    return bool(
        record.task.data_hash == plan.data_hash
        and record.model.fingerprint == plan.fingerprint
        and record.recipe.name == plan.recipe["name"]
        and record.labels == plan.labels
    )


def _seconds(record: RunRecord, examples: int) -> float:
    rate = record.answer.throughput if record.answer else None
    training = (record.train.seconds if record.train else None) or 0.0
    return training + (examples / rate if rate else 0.0)


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0

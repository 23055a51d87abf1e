"""A fake objective for searches: no model, and a known best point."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.recipes import Recipe
from harness.results.folder import append_line
from harness.results.records.run import RunRecord
from harness.search.study_config import StudyConfig
from harness.search.trial import PrunedError
from harness.workflows.options.search import SearchOptions
from harness.workflows.search import make_plan

BEST_RATE = 3e-4
SPACE = ("weights.learning_rate=1e-6..1e-2:log", "weights.lora_r=4,8,16,32")
ONLY = ("weights.learning_rate", "weights.lora_r")


@dataclass
class Fake:
    """Best at a learning rate of 3e-4 with rank 16; every call is written to `calls.jsonl`."""

    plan: StudyConfig
    seconds: float = 0.0

    def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
        stage: Any = recipe.weights[0]
        call = {"number": trial.number, "rate": stage.learning_rate, "r": stage.lora_r, "pid": os.getpid()}
        append_line(self.plan.results / "calls.jsonl", call | {"state": "begun"})
        time.sleep(self.seconds)
        append_line(self.plan.results / "calls.jsonl", call | {"state": "ended"})
        distance = abs(math.log10(stage.learning_rate / BEST_RATE))
        return record(math.exp(-distance) - 0.01 * abs(math.log2(stage.lora_r / 16)), stage.lora_r)


@dataclass
class Failing(Fake):
    def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
        raise RuntimeError(f"broken {trial.number}")


def fake(plan: StudyConfig) -> Fake:
    return Fake(plan)


def slow(plan: StudyConfig) -> Fake:
    return Fake(plan, seconds=0.3)


def failing(plan: StudyConfig) -> Fake:
    return Failing(plan)


def record(score: float, memory: float) -> RunRecord:
    content = {
        "task": {"primary": "exact"},
        "metrics": {"exact": {"mean": score, "n": 6}},
        "seconds": 1.0,
        "peak_memory_bytes": memory,
        "peak_device_bytes": None,
        "prompt_tokens_mean": 10.0,
        "train": {"seconds": 0.5, "steps": 3, "tokens": 100},
        "answer": {"latency_p95": 0.1, "tokens_in_mean": 10.0},
        "counts": {"scored": 6},
    }
    return RunRecord.of(content)


def plan(task: Path, results: Path, trials: int = 12, **changes: Any) -> StudyConfig:
    given = {"space": SPACE, "only": ONLY, "model": "tiny", "pruner": "none"} | changes
    return make_plan(SearchOptions(str(task), recipe="lora", trials=trials, results=results, **given))


RUNGS = 9


@dataclass
class Climbing(Fake):
    """Reaches its score evenly over nine rungs, and stops where the pruner says so."""

    def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
        result = super().__call__(recipe, trial)
        score = result.mean("exact") or 0.0
        for rung in range(1, RUNGS + 1):
            trial.report(score * rung / RUNGS, rung)
            trial.set_user_attr("cost", {"train_steps": rung})
            if trial.should_prune():
                raise PrunedError(f"stopped at rung {rung}")
        return result.changed(train={"seconds": 0.5, "steps": RUNGS, "tokens": 100})


def climbing(plan: StudyConfig) -> Climbing:
    return Climbing(plan)


@dataclass
class Level(Fake):
    """Scores nothing at any rate; only the dev loss says how far away the best one is."""

    says_loss: bool = True

    def __call__(self, recipe: Recipe, trial: Any) -> RunRecord:
        super().__call__(recipe, trial)
        stage: Any = recipe.weights[0]
        loss = abs(math.log10(stage.learning_rate / BEST_RATE)) if self.says_loss else None
        message = {"seconds": 0.5, "steps": RUNGS, "tokens": 100, "best_dev_loss": loss}
        return record(0.0, stage.lora_r).changed(train=message)


def level(plan: StudyConfig) -> Level:
    return Level(plan)


def silent(plan: StudyConfig) -> Level:
    return Level(plan, says_loss=False)

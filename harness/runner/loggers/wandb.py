"""Weights & Biases: one project, one W&B run per run; `WANDB_MODE=offline` and its other variables count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.runner.loggers._base import About, Logger, RunLog, package


@dataclass(frozen=True, kw_only=True)
class WeightsAndBiases(Logger):
    """Settings as config, steps as history, the result as summary."""

    def check(self) -> None:
        package("wandb", "wandb")

    def start(self, about: About) -> RunLog:
        run = package("wandb", "wandb").init(
            project=self.project,
            group=about.task,
            name=about.id,
            config=dict(about.config),
            dir=str(about.results),
            reinit="create_new",  # several runs may be open at once
        )
        return _Run(run)


class _Run:
    def __init__(self, run: Any) -> None:
        self._run = run

    def step(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        self._run.summary.update(dict(values))
        self._run.finish(exit_code=int(failed))

"""MLflow: one experiment, one MLflow run per run; `MLFLOW_TRACKING_URI` says where, as MLflow reads it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.runner.loggers._base import About, Logger, RunLog, package

MOST_PARAMS = 100
"""Parameters in one request, and characters of a value below: MLflow's own limits."""
LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class MLflow(Logger):
    """Settings as parameters, steps as metrics, the result as metrics at step 0."""

    def check(self) -> None:
        package("mlflow", "mlflow")

    def start(self, about: About) -> RunLog:
        mlflow = package("mlflow", "mlflow")
        # A client and not mlflow.start_run: several runs may be open at once.
        client = mlflow.MlflowClient()
        known = client.get_experiment_by_name(self.project)
        experiment = known.experiment_id if known else client.create_experiment(self.project)
        tags = {"task": about.task}
        run = client.create_run(experiment, tags=tags, run_name=about.id).info.run_id
        params = [mlflow.entities.Param(name, str(value)[:LONGEST]) for name, value in about.config.items()]
        for first in range(0, len(params), MOST_PARAMS):
            client.log_batch(run, params=params[first : first + MOST_PARAMS])
        return _Run(mlflow, client, run)


class _Run:
    def __init__(self, mlflow: Any, client: Any, run: str) -> None:
        self._mlflow, self._client, self._run = mlflow, client, run

    def step(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self._mlflow.entities.Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        self.step(0, values)
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")

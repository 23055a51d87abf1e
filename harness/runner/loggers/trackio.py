"""trackio: one project, one trackio run per run, kept on this machine unless its own variables name a Space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.runner.loggers._base import About, Logger, RunLog, package


@dataclass(frozen=True, kw_only=True)
class Trackio(Logger):
    """Settings as config, steps and the result as metrics."""

    def check(self) -> None:
        package("trackio", "trackio")

    def start(self, about: About) -> RunLog:
        trackio = package("trackio", "trackio")
        run = trackio.init(
            project=self.project,
            group=about.task,
            name=about.id,
            config=dict(about.config),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return _Run(trackio, run)


class _Run:
    def __init__(self, trackio: Any, run: Any) -> None:
        self._trackio, self._run, self._last = trackio, run, 0

    def step(self, step: int, values: Mapping[str, float]) -> None:
        self._last = step
        self._run.log(dict(values), step=step)

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        self._run.log({**values, "failed": float(failed)}, step=self._last + 1)
        # Its own `finish` applies to the latest run, and keeps its exit hook from finishing twice.
        self._trackio.context_vars.current_run.set(self._run)
        self._trackio.finish()

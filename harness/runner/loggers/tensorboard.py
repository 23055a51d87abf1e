"""TensorBoard: event files below `results/tensorboard/<project>/<run>`; no torch is needed to write them.

View them with `tensorboard --logdir results/tensorboard`. Writer: the package's own
`tensorboard.summary.Writer`, which takes scalars; settings are written as `settings.json` beside the events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.runner.loggers._base import About, Logger, RunLog, package


@dataclass(frozen=True, kw_only=True)
class TensorBoard(Logger):
    """Scalars of every step, and the result at step 0."""

    def check(self) -> None:
        package("tensorboard.summary", "tensorboard")

    def start(self, about: About) -> RunLog:
        folder = about.results / "tensorboard" / self.project / about.id
        folder.mkdir(parents=True, exist_ok=True)
        settings = json.dumps(dict(about.config), ensure_ascii=False, indent=1)
        (folder / "settings.json").write_text(settings + "\n", encoding="utf-8")
        return _Run(package("tensorboard.summary", "tensorboard").Writer(str(folder)))


class _Run:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def step(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        for name, value in {**values, "failed": float(failed)}.items():
            self._writer.add_scalar(name, value, 0)
        self._writer.close()

"""A worker without the harness's heavy imports, so that its process starts quickly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError


@dataclass(frozen=True)
class Doubler:
    """A worker that says who it is, doubles numbers, and dies on its first sight of `deadly`."""

    deadly: int | None = None
    scar: Path | None = None

    def __call__(self) -> Callable[[Any, Callable[[Any], None]], Any]:
        def worker(what: int, notify: Callable[[Any], None]) -> int:
            notify(os.getpid())
            if what == self.deadly and (self.scar is None or not self.scar.exists()):
                if self.scar is not None:
                    self.scar.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if what < 0:
                raise ConfigError(f"{what} is negative")
            return 2 * what

        return worker

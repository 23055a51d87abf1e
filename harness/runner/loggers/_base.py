"""The harness's view of a tracker: it takes a run's settings, steps and result."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import ConfigError
from harness.core.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class About:
    """One run as it begins: its id, its task, its settings as `slot.field` → plain value."""

    id: str
    task: str
    config: Mapping[str, str | int | float | bool]
    results: Path


class RunLog(Protocol):
    """One run in a tracker."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Values of one optimizer step, by name."""

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        """The run's result; nothing is logged after it."""


@dataclass(frozen=True, kw_only=True)
class Logger(Kind):
    """A tracker; its server address and credentials come from its own environment variables."""

    project: str = "harness"
    """The project or experiment that runs are filed under."""

    @abstractmethod
    def check(self) -> None:
        """Fail before any work when the tracker's package is missing.

        Raises:
            ConfigError: it is not installed.
        """

    @abstractmethod
    def start(self, about: About) -> RunLog:
        """Begin one run; several may be open at once."""


def package(module: str, distribution: str) -> Any:
    """The tracker's module, imported now.

    Raises:
        ConfigError: it is not installed; the remedy is the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"--log-to {distribution} needs a package: {error}", remedy=f"pip install {distribution}"
        ) from None

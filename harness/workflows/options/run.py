"""Options of `harness run`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed
from harness.runner.settings import ExperimentSettings
from harness.workflows.options.shared import Quiet, ResultsOptions


@dataclass(frozen=True, kw_only=True)
class RunOptions(ResultsOptions, ExperimentSettings):
    """An experiment's settings, and what concerns one command alone."""

    target: Annotated[
        str | Path,
        Typed(str),
        typer.Argument(help="A task's name or folder, or an experiment's YAML file."),
    ] = field(kw_only=False)
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Rerun finished runs, too; the old ones are set aside.")
    ] = False
    open: Annotated[bool, typer.Option("--open", help="Watch the run in a browser.")] = False
    quiet: Quiet = False

    def kept_words(self) -> tuple[str, ...]:
        """The words of the options that a follow-up command repeats because they decide what is asked."""
        flags = {
            "--stop-when-sure": self.stop_when_sure,
            "--frugal": self.frugal,
            "--together": self.together,
        }
        words = [flag for flag, given in flags.items() if given]
        for option, value in (("--tune", self.tune), ("--proposer", self.proposer)):
            words += [] if value is None else [option, str(value)]
        return tuple(words)

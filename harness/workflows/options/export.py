"""Options of `harness export`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class ExportOptions(ResultsOptions):
    """A run, and the folder that it becomes."""

    run: Annotated[str, typer.Argument(help="A run's id or its beginning; `harness ls` lists them.")] = field(
        kw_only=False
    )
    folder: Annotated[str | Path, Typed(Path), typer.Argument(help="Output folder: new or empty.")] = field(
        kw_only=False
    )
    merged: Annotated[
        bool, typer.Option("--merged", help="Write a whole model with the adapters merged.")
    ] = False
    task: Annotated[
        str | None, typer.Option(help="The task's folder.", show_default="found by the run's task name")
    ] = None

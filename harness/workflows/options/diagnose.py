"""Options of `harness diagnose`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed
from harness.workflows.options.shared import Quiet, ResultsOptions


@dataclass(frozen=True, kw_only=True)
class DiagnoseOptions(ResultsOptions):
    """A task and a base model, and how many dev examples are probed."""

    task: Annotated[str | Path, Typed(str), typer.Argument(help="A task's name or folder.")] = field(
        kw_only=False
    )
    model: Annotated[str, typer.Option(help="The base model.")] = "smollm2-135m-instruct"
    limit: Annotated[int, typer.Option(min=5, help="How many dev examples to probe.")] = 100
    quiet: Quiet = False

"""Options of `harness pin`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class PinOptions(ResultsOptions):
    """A run, and the pin that it becomes."""

    run: Annotated[str, typer.Argument(help="A run's id or its beginning; `harness ls` lists them.")] = field(
        kw_only=False
    )
    as_: Annotated[str, typer.Option("--as", help="The pin's name.")]
    allow_dirty: Annotated[bool, typer.Option(help="Pin a run of uncommitted code.")] = False
    pins: Annotated[str | Path, Typed(Path), typer.Option(help="Folder of pins.")] = Path("baselines/pins")

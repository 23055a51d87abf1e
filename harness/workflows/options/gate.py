"""Options of `harness gate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import File, Typed
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class GateOptions(ResultsOptions):
    """A run, the pin that it is held against, and how strictly."""

    run: Annotated[str, typer.Argument(help="A run's id or its beginning; `harness ls` lists them.")] = field(
        kw_only=False
    )
    against: Annotated[str, typer.Option(help="A pin's name, or its file; `harness pin` makes one.")]
    task: Annotated[str | None, typer.Option(help="Task whose gate applies.", show_default="the run's")] = (
        None
    )
    margin: Annotated[
        float | None, typer.Option(help="Margin of the primary score.", show_default="task file")
    ] = None
    aa: Annotated[int | None, typer.Option("--aa", help="First measure the noise floor with N reruns.")] = (
        None
    )
    allow_inconclusive: Annotated[
        bool, typer.Option(help="Exit 0 when the result is inconclusive; it is still reported.")
    ] = False
    allow_missing: Annotated[
        bool, typer.Option(help="Judge the remaining examples when pinned ones are missing or have changed.")
    ] = False
    junit: Annotated[File, typer.Option(help="Write JUnit XML here.")] = None
    markdown: Annotated[File, typer.Option(help="Write Markdown for a pull request here.")] = None
    pins: Annotated[str | Path, Typed(Path), typer.Option(help="Folder of pins.")] = Path("baselines/pins")

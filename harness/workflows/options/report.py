"""Options of `harness report`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from harness.core.options import File, Repeated
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class ReportOptions(ResultsOptions):
    """Which runs, and the files that show them."""

    runs: Annotated[
        Repeated,
        typer.Argument(
            help="Runs, by id or its beginning; `harness ls` lists them. Or a task.", show_default=False
        ),
    ] = field(default=(), kw_only=False)
    task: Annotated[
        str | None,
        typer.Option(help="Only runs of this task: its name, folder or YAML file.", show_default="all tasks"),
    ] = None
    out: Annotated[
        File, typer.Option("--out", "-o", help="File to write.", show_default="reports/<task>.html")
    ] = None
    format: Annotated[str, typer.Option(help="html, md, json or csv; comma-separated.")] = "html"
    title: Annotated[str | None, typer.Option(help="Title of the page.", show_default="the task")] = None

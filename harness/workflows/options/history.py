"""Options of `harness history`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class HistoryOptions(ResultsOptions):
    """Which trends, and whether they become a page."""

    task: Annotated[
        str | None, typer.Argument(help="Only this task: its name, folder or YAML file.", show_default="all")
    ] = field(default=None, kw_only=False)
    recipe: Annotated[str | None, typer.Option(help="Only this recipe.", show_default="all")] = None
    html: Annotated[bool, typer.Option("--html", help="Write the page of all trends.")] = False
    out: Annotated[str | Path, Typed(Path), typer.Option("--out", "-o", help="The page's file.")] = Path(
        "reports/history.html"
    )

"""Options of `harness view`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class ViewOptions(ResultsOptions):
    """Which experiment, and where."""

    experiment: Annotated[
        str | None, typer.Argument(help="An experiment's name.", show_default="the latest")
    ] = field(default=None, kw_only=False)
    port: Annotated[
        int, typer.Option(help="Port on this machine.", show_default="a free one", min=0, max=65535)
    ] = 0

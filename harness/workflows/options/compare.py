"""Options of `harness compare`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class CompareOptions(ResultsOptions):
    """Two runs of one task."""

    first: Annotated[str, typer.Argument(help="A run's id or its beginning; `harness ls` lists them.")] = (
        field(kw_only=False)
    )
    second: Annotated[str, typer.Argument(help="The run to compare it with, likewise.")] = field(
        kw_only=False
    )

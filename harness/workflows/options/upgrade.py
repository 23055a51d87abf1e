"""Options of `harness upgrade`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Names, Repeated, Typed
from harness.workflows.options.shared import Quiet, ResultsOptions


@dataclass(frozen=True, kw_only=True)
class UpgradeOptions(ResultsOptions):
    """The two bases, and the recipes that are run on both."""

    task: Annotated[str | Path, Typed(str), typer.Argument(help="A task's name or folder.")] = field(
        kw_only=False
    )
    from_: Annotated[str, typer.Option("--from", help="The model in use.")]
    to: Annotated[str | None, typer.Option(help="The new model.", show_default="the one in use")] = None
    recipes: Annotated[Names, typer.Option(help="Recipes, comma-separated.")] = "zero_shot,lora"
    from_base: Annotated[
        str | None,
        typer.Option(
            help="How the model in use is loaded: plain, int8 or nf4.", show_default="as the recipe says"
        ),
    ] = None
    to_base: Annotated[
        str | None,
        typer.Option(
            help="How the new model is loaded: plain, int8 or nf4.", show_default="as the recipe says"
        ),
    ] = None
    limit: Annotated[int | None, typer.Option(help="Ask only a random sample of N test examples.")] = None
    settings: Annotated[Repeated, typer.Option("--set", help="Override, e.g. weights.lora_r=8.")] = ()
    allow_inconclusive: Annotated[
        bool, typer.Option(help="Exit 0 when the result is inconclusive; it is still reported.")
    ] = False
    quiet: Quiet = False

"""Options of `harness estimate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from harness.core.options import Names


@dataclass(frozen=True, kw_only=True)
class EstimateOptions:
    """A model, and the work whose memory is counted."""

    model: Annotated[
        str | None,
        typer.Argument(help="A hub id, a folder or its config.json, gguf:FILE, a bundled name; or 13B."),
    ] = field(default=None, kw_only=False)
    parameters: Annotated[str | None, typer.Option(help="Instead of a model: 13B, 135M …")] = None
    recipes: Annotated[Names, typer.Option(help="Recipes, comma-separated.")] = "zero_shot,lora,qlora,full"
    dtype: Annotated[str, typer.Option(help="Data type of the weights: float32, bfloat16 or float16.")] = (
        "bfloat16"
    )
    length: Annotated[
        int, typer.Option(min=1, help="Tokens of a training example, or of a question and answer.")
    ] = 512
    batch: Annotated[
        int | None, typer.Option(min=1, help="Training examples in one batch; else the recipe's own.")
    ] = None
    rows: Annotated[int, typer.Option(min=1, help="Questions answered in one batch.")] = 1
    gpu: Annotated[
        float | None, typer.Option(min=2, help="GiB of a card: the settings with which each method fits it.")
    ] = None

"""Options of `harness validate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import Typed


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    """A task, and the model whose tokens are counted."""

    task: Annotated[
        str | Path, Typed(str), typer.Argument(help="A task's name, its folder or its YAML file.")
    ] = field(kw_only=False)
    model: Annotated[
        str | None, typer.Option(help="Show and count with this model's tokenizer and chat template.")
    ] = None

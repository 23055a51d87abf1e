"""`--results` and `--json`, the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.workflows.options.shared import RESULTS

Results = Annotated[Path, RESULTS]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]

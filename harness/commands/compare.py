"""`harness compare`: two runs on the same examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(help="A run's id, or how it begins.")],
    second: Annotated[str, typer.Argument(help="The run it is compared with.")],
    results: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The paired difference of two runs, and the examples that flipped.

    Example:

      harness compare support_tickets-lora support_tickets-few_shot
    """
    from harness.report import pair, tables
    from harness.store import ingest

    ingest.sync(results)
    found = pair.compare_runs(results, first, second)
    if json:
        tables.print_json(found.to_json())
    else:
        tables.print_pair(found)

"""`harness ls`: the runs there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def ls(
    task: Annotated[str | None, typer.Argument(help="Only runs of this task.")] = None,
    results: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """List runs, newest first, with their score on the task's primary scorer.

    Example: harness ls support_tickets
    """
    from harness.commands import _print
    from harness.store import queries

    rows = queries.runs(results, task)
    if json:
        _print.as_json({"runs": rows})
    else:
        _print.as_table(rows, ("id", "status", "score", "n", "valid", "seconds", "started_at", "error"))

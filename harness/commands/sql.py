"""`harness sql`: ask the index directly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sql(
    query: Annotated[str, typer.Argument(help="A query in DuckDB's SQL.")],
    results: Annotated[Path, typer.Option(help="Where runs are kept.")] = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Run a read-only query. Tables and views are described in docs/store.md.

    Example: harness sql "SELECT recipe, mean, n FROM leaderboard"
    """
    from harness.commands import _print
    from harness.store.store import select

    rows = select(results, query)
    columns = list(rows[0]) if rows else []
    if json:
        _print.as_json({"columns": columns, "rows": rows})
    else:
        _print.as_table(rows, columns)

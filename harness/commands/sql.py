"""`harness sql`: a read-only query over all runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say_json


def sql(
    query: Annotated[str, typer.Argument(help="SQL, read-only; tables and views are in docs/store.md.")],
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout.")] = False,
) -> None:
    """Ask DuckDB about runs, samples, scores and training steps.

    Examples:

      harness sql "SELECT recipe, seeds, n, mean FROM leaderboard"

      harness sql "SELECT failure, count(*) AS n FROM samples GROUP BY failure" --csv
    """
    from harness.report.terminal import tables
    from harness.results.database import ingest
    from harness.results.database import sql as queries

    ingest.sync(results)
    answer = queries.run(results, query)
    if json:
        say_json(answer.to_json())
    elif csv:
        tables.print_csv(answer.columns, answer.rows)
    else:
        tables.print_answer(answer.columns, answer.rows)

"""`harness db`: the database file as a whole: make it again, or export it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say, say_json, say_lines

app = typer.Typer(help="Rebuild the database from the runs, or export it.", no_args_is_help=True)


@app.command()
def rebuild(
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """Make harness.duckdb again from the run folders, exactly.

    Example:

      harness db rebuild
    """
    from harness.results.database import ingest

    done = ingest.rebuild(results)
    for problem in done.problems:
        say(f"note: {problem}", error=True)
    if json:
        say_json({"runs": done.runs, "problems": list(done.problems)})
    else:
        say(f"{done.runs} runs in {results / 'harness.duckdb'}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files go.")],
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """Write every table and view as Parquet, which any version of DuckDB, pandas or polars reads.

    Example:

      harness db export exported/
    """
    from harness.results.database import ingest
    from harness.results.database.export import export_parquet
    from harness.results.database.store import Store

    ingest.sync(results)
    with Store.open(results) as store:
        files = export_parquet(store, folder)
    if json:
        say_json({"files": [str(path) for path in files]})
    else:
        say_lines("\n".join(str(path) for path in files))

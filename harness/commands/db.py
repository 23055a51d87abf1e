"""`harness db`: the index over the run folders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The DuckDB index: make it again, or export it.", no_args_is_help=True)
Results = Annotated[Path, typer.Option(help="Where runs are kept.")]


@app.command()
def rebuild(results: Results = Path("results")) -> None:
    """Make the index again from the run folders; the old file is kept beside it.

    Example: harness db rebuild
    """
    from harness.store.ingest import rebuild as make

    count, problems = make(results)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{count} runs in {results / 'harness.duckdb'}")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the Parquet files go.")],
    results: Results = Path("results"),
) -> None:
    """Write every table as a Parquet file.

    Example: harness db export build/parquet
    """
    from harness.store.export import parquet

    for path, rows in parquet(results, folder):
        print(f"{path}: {rows} rows")

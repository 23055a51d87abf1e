"""`harness ls`: every run, finished or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say, say_json


def ls(
    task: Annotated[
        str | None, typer.Option(help="Only runs of this task: its name, folder or YAML file.")
    ] = None,
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """List runs: status, score, validity and cost.

    Examples:

      harness ls

      harness ls --task support_tickets --json
    """
    from harness.report.terminal import tables
    from harness.results.database import ingest, queries, running
    from harness.results.database.store import Store
    from harness.tasks.named import name_of

    done = ingest.sync(results)
    with Store.open(results) as store:
        running.mark(store, results)
        runs = queries.runs(store, task=None if task is None else name_of(task))
        scores = queries.metrics(store, [run.id for run in runs])
    for problem in done.problems:
        say(f"note: {problem}", error=True)
    if json:
        say_json({"runs": [tables.run_json(run, scores[run.id]) for run in runs]})
    else:
        tables.print_runs(runs, scores, task)

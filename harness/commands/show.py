"""`harness show`: one run, or one example of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say_json


def show(
    run: Annotated[str, typer.Argument(help="A run's id or its beginning; `harness ls` lists them.")],
    example: Annotated[str | None, typer.Option(help="Show this example: prompt, passages, answer.")] = None,
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """Show what a run was, what it scored and what it cost.

    Examples:

      harness show support_tickets-lora

      harness show support_tickets-lora --example t0001
    """
    from harness.report.terminal import tables
    from harness.results.database import ingest, queries, running
    from harness.results.database.store import Store

    ingest.sync(results)
    with Store.open(results) as store:
        running.mark(store, results)
        row = queries.find(store, run)
        scores = queries.metrics(store, [row.id])[row.id]
        answer = None if example is None else queries.sample(store, row, example)
    if json:
        say_json(answer or {**tables.run_json(row, scores), "record": row.record.to_json()})
    elif answer is not None:
        program = row.record.recipe.program
        tables.print_example(answer, searched="retriever" in program)
    else:
        from harness.report.terminal import one_run
        from harness.results.folder import ResultsFolder

        one_run.print_run(row, scores, ResultsFolder(results).run(row.id).path)

"""`harness compare`: two runs on the same examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say


def compare(
    first: Annotated[str, typer.Argument(help="A run's id, or how it begins.")],
    second: Annotated[str, typer.Argument(help="The run it is compared with.")],
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The paired difference of two runs, the examples that flipped, and what each forgot.

    Example:

      harness compare support_tickets-lora support_tickets-few_shot
    """
    from harness.benchmarks import forgetting
    from harness.report import run_comparison
    from harness.report.terminal import tables
    from harness.results.database import ingest

    ingest.sync(results)
    pair = run_comparison.compare_runs(results, first, second)
    forgotten = [item for run in (pair.first, pair.second) for item in forgetting.known(results, run)]
    if json:
        tables.print_json(pair.to_json() | {"forgetting": [item.to_json() for item in forgotten]})
        return
    tables.print_pair(pair)
    for item in forgotten:
        say(item.sentence)

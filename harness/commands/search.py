"""`harness search`: better hyperparameters than the defaults, found on dev, confirmed once on test."""

from __future__ import annotations

import dataclasses

import typer

from harness.commands._first_line import first_line
from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import to_a_reader
from harness.workflows.options.search import SearchOptions


@takes(SearchOptions)
def search(options: SearchOptions, json: Json = False) -> None:
    """Search the hyperparameters of a recipe on dev; test is read once, at the end.

    Run the same command to resume, or with a higher --trials to continue. Machines that name the same
    --storage share a study.

    Examples:

      harness search support_tickets --recipe lora --trials 40 --labels 100

      harness search handbook_qa --recipe bm25_rag --space program.k=1,2,3,5 --pruner wilcoxon

      harness search support_tickets --space 'weights.learning_rate=1e-5..1e-3:log' --jobs 2
    """
    with first_line(options.task, options.model, silent=options.quiet or json):
        from harness.workflows import search_output

    if json:
        options = dataclasses.replace(options, yes=True, quiet=True)
    done = search_output.from_options(options)
    with to_a_reader():
        search_output.show(done, as_json=json)
    raise typer.Exit(done.exit_code)

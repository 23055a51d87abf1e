"""`harness run`: the same task under every recipe, then the verdict and the report."""

from __future__ import annotations

import dataclasses

import typer

from harness.commands._first_line import first_line
from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import to_a_reader
from harness.workflows.options.run import RunOptions


@takes(RunOptions)
def run(options: RunOptions, json: Json = False) -> None:
    """Run a task under several recipes and say which to use.

    Running the same command again repeats no finished run and resumes an interrupted one.

    Examples:

      harness run support_tickets --recipes zero_shot,few_shot,lora --limit 50

      harness run handbook_qa --seeds 3

      harness run support_tickets --recipes lora --set weights.lora_r=32 --labels 25,50,100

      harness run demo.yaml --executor processes:2

      harness run support_tickets --tune 12

      harness run handbook_qa --tune 600s --proposer openai:NAME@URL
    """
    start(options, json=json)


def start(options: RunOptions, *, json: bool) -> None:
    """Run, print the outcome and exit with its code."""
    with first_line(options.target, options.model, silent=options.quiet or json):
        from harness.workflows import run as workflow

    done = workflow.from_options(dataclasses.replace(options, quiet=options.quiet or json))
    if done is None:
        raise typer.Exit(0)
    with to_a_reader():
        workflow.show(done, as_json=json)
    raise typer.Exit(done.exit_code)

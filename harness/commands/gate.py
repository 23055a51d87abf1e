"""`harness gate`: is this run worse than the pin? Red for the right reason only."""

from __future__ import annotations

import typer

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json, say_lines, to_a_reader
from harness.workflows.options.gate import GateOptions


@takes(GateOptions)
def gate(options: GateOptions, json: Json = False) -> None:
    """Hold a run against a pin: paired, non-inferiority, with the margins of the task file.

    Exit codes: 0 passed, 1 regression, 2 usage, 3 execution error, 4 inconclusive.

    Example:

      harness gate support_tickets-lora --against tickets --junit gate.xml --markdown gate.md
    """
    from harness.core.errors import ConfigError
    from harness.regression import gate_text
    from harness.workflows import gate as workflow

    outcome = workflow.judged(options)
    code = outcome.exit_code
    try:
        workflow.write(options, outcome)
    except ConfigError as error:
        # The verdict holds even if its files could not be written: a regression is still a regression.
        say(f"error: {error}", error=True)
        code = code or error.exit_code
    with to_a_reader():
        if json:
            say_json(outcome.to_json())
        else:
            say_lines(gate_text.text(outcome))
    raise typer.Exit(code)

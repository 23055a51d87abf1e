"""`harness gate`: is this run worse than the pin? Red for the right reason only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say, say_lines


def gate(
    run: Annotated[str, typer.Argument(help="A run's id, or how it begins.")],
    against: Annotated[str, typer.Option(help="A pin's name, or its file.")],
    task: Annotated[
        str | None, typer.Option(help="Task whose gate applies.", show_default="the run's")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="Margin of the primary score.", show_default="task file")
    ] = None,
    aa: Annotated[
        int | None, typer.Option("--aa", help="First measure the noise floor with N reruns.")
    ] = None,
    allow_inconclusive: Annotated[
        bool, typer.Option(help="Exit 0 when it cannot be told; it is still said.")
    ] = False,
    allow_missing: Annotated[
        bool, typer.Option(help="Judge the rest when pinned examples were not asked or have changed.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write Markdown for a pull request here.")] = None,
    pins: Annotated[Path, typer.Option(help="Folder of pins.")] = Path("baselines/pins"),
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Hold a run against a pin: paired, non-inferiority, with the margins of the task file.

    Exit codes: 0 passed, 1 regression, 2 usage, 3 execution error, 4 inconclusive.

    Example:

      harness gate support_tickets-lora --against tickets --junit gate.xml --markdown gate.md
    """
    import json as jsonlib

    from harness.core.errors import ConfigError, RunError
    from harness.core.files import write_text
    from harness.regression import gate_text
    from harness.regression import junit as xml
    from harness.workflows.gate import gate_run

    try:
        outcome = gate_run(
            results,
            run,
            against,
            folder=pins,
            task=task,
            margin=margin,
            reruns=aa,
            allow_inconclusive=allow_inconclusive,
            allow_missing=allow_missing,
        )
    except RunError as error:
        if junit is not None:
            write_text(junit, xml.of_error(run, against, error))
        raise
    if json:
        print(jsonlib.dumps(outcome.to_json()), flush=True)
    else:
        say_lines(gate_text.text(outcome))
    try:
        if junit is not None:
            write_text(junit, xml.document(outcome))
        if markdown is not None:
            write_text(markdown, gate_text.markdown(outcome))
    except ConfigError as error:
        # The verdict stands whether or not it could be written down: a regression stays one.
        say(f"error: {error}", error=True)
        raise typer.Exit(outcome.exit_code or error.exit_code) from None
    raise typer.Exit(outcome.exit_code)

"""`harness export`: a finished run as a folder that other tools serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say, say_lines


def export(
    run: Annotated[str, typer.Argument(help="A run's id, or how it begins.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; new, or empty.")],
    merged: Annotated[bool, typer.Option("--merged", help="A whole model, adapters added in.")] = False,
    task: Annotated[
        str | None, typer.Option(help="The task's folder.", show_default="found by the run's task name")
    ] = None,
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write a run's weights, tokenizer, prompt and model card, with the commands that serve it.

    A run that trained nothing is exported without weights.

    Examples:

      harness export support_tickets-lora ticket-adapter

      harness export support_tickets-lora ticket-model --merged
    """
    import json as jsonlib

    from harness.workflows.export import export as write

    exported = write(results, run, folder, merged=merged, task=task)
    if json:
        print(jsonlib.dumps(exported.to_json(), ensure_ascii=False))
        return
    held = {"adapter": "an adapter", "model": "a whole model", None: "no weights"}[exported.layout]
    say(f"{exported.folder}: {exported.run}, {held}, {sum(exported.files.values()) / 1e6:.1f} MB")
    say("")
    say_lines("\n".join(exported.commands))

"""`harness export`: a finished run as a folder that other tools serve."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json, say_lines
from harness.workflows.options.export import ExportOptions


@takes(ExportOptions)
def export(options: ExportOptions, json: Json = False) -> None:
    """Write a run's weights, tokenizer, prompt and model card, with the commands that serve it.

    A run that trained nothing is exported without weights.

    Examples:

      harness export support_tickets-lora ticket-adapter

      harness export support_tickets-lora ticket-model --merged
    """
    from harness.workflows import export as workflow

    exported = workflow.from_options(options)
    if json:
        say_json(exported.to_json())
        return
    held = {"adapter": "an adapter", "model": "a whole model", None: "no weights"}[exported.layout]
    say(f"{exported.folder}: {exported.run}, {held}, {sum(exported.files.values()) / 1e6:.1f} MB")
    say("")
    say_lines("\n".join(exported.commands))

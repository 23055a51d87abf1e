"""`harness compare`: two runs on the same examples."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json
from harness.workflows.options.compare import CompareOptions


@takes(CompareOptions)
def compare(options: CompareOptions, json: Json = False) -> None:
    """The paired difference of two runs, the examples that flipped, and what each forgot.

    Example:

      harness compare support_tickets-lora support_tickets-few_shot
    """
    from harness.report.terminal import tables
    from harness.workflows import compare as workflow

    difference = workflow.from_options(options)
    if json:
        say_json(difference.to_json())
        return
    tables.print_pair(difference.pair)
    for item in difference.forgetting:
        say(item.sentence)

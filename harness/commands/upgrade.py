"""`harness upgrade`: should the base model be upgraded, and must the finetune be redone?"""

from __future__ import annotations

import dataclasses

import typer

from harness.commands._first_line import first_line
from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say_json, say_lines, to_a_reader
from harness.workflows.options.upgrade import UpgradeOptions


@takes(UpgradeOptions)
def upgrade(options: UpgradeOptions, json: Json = False) -> None:
    """Run the same recipes on the old and the new base model, move the old adapter where it fits, and say what to do.

    Exit codes: 0 upgrade, 1 the new base is worse for some recipe, 2 usage, 3 a run failed, 4 inconclusive.

    Examples:

      harness upgrade support_tickets --from smollm2-135m-instruct --to ./new-model --recipes lora

      harness upgrade support_tickets --from smollm2-135m-instruct --to-base int8 --recipes zero_shot,lora
    """
    with first_line(options.task, (), silent=options.quiet or json):
        from harness.regression import upgrade_text
        from harness.workflows import upgrade as workflow

    done = workflow.from_options(dataclasses.replace(options, quiet=options.quiet or json))
    with to_a_reader():
        if json:
            say_json(done.to_json())
        else:
            for item in done.replays:
                say_lines(upgrade_text.text(item))
    raise typer.Exit(done.exit_code)

"""`harness validate`: is a task fit to be run, and what does a model see of it?"""

from __future__ import annotations

import typer

from harness.commands._options import takes
from harness.commands._results import Json
from harness.workflows.options.validate import ValidateOptions


@takes(ValidateOptions)
def validate(options: ValidateOptions, json: Json = False) -> None:
    """Check a task: a rendered example, split sizes, lengths, duplicates, leaks, labels.

    Exit code 0 where the task can be used (there may be warnings), 2 where it cannot.

    Examples:

      harness validate support_tickets

      harness validate tasks/my_task --model smollm2-135m-instruct --json
    """
    from harness.core import terminal
    from harness.tasks import validation_view
    from harness.workflows import validate as workflow

    inspection = workflow.from_options(options)
    with terminal.to_a_reader():
        if json:
            terminal.say_json(validation_view.as_json(inspection))
        else:
            validation_view.show(inspection, terminal.console())
    if not inspection.usable:
        raise typer.Exit(2)

"""`harness validate`: is a task fit to be run, and what does a model see of it?"""

from __future__ import annotations

from typing import Annotated

import typer


def validate(
    task: Annotated[str, typer.Argument(help="A task's name, its folder or its YAML file.")],
    model: Annotated[
        str | None, typer.Option(help="Show and count with this model's tokenizer and chat template.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check a task: a rendered example, split sizes, lengths, duplicates, leaks, labels.

    Exit code 0 where the task can be used (there may be warnings), 2 where it cannot.

    Examples:

      harness validate support_tickets

      harness validate tasks/my_task --model smollm2-135m-instruct --json
    """
    import json as jsonlib

    from harness.core import terminal
    from harness.regression import gate_rules
    from harness.tasks import validation_view
    from harness.tasks.validation_report import inspect

    report = inspect(task, model)
    gate_rules.of_task(report.task)
    if json:
        print(jsonlib.dumps(validation_view.as_json(report), ensure_ascii=False))
    else:
        validation_view.show(report, terminal.console())
    if not report.usable:
        raise typer.Exit(2)

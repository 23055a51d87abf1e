"""`harness view`: the live page of an experiment."""

from __future__ import annotations

from harness.commands._options import takes
from harness.workflows.options.view import ViewOptions


@takes(ViewOptions)
def view(options: ViewOptions) -> None:
    """Show an experiment in a browser while it runs, or afterward: cells, losses, answers, verdict, report.

    Only this machine can open the page. It reads the results folder, so the experiment can run in another
    terminal, and be killed and resumed. Ctrl-C closes the page, never the experiment.

    Examples:

      harness view

      harness view demo --results results
    """
    from harness.workflows import view as workflow

    workflow.from_options(options)

"""`harness view`: the live page of an experiment."""

from __future__ import annotations

from harness.commands._options import takes
from harness.workflows.options.view import ViewOptions


@takes(ViewOptions)
def view(options: ViewOptions) -> None:
    """Show an experiment in a browser while it is at work, or after: cells, losses, answers, verdict, report.

    The page is for this machine alone and reads the results folder, so the experiment may run in another
    terminal, be killed and be resumed. Ctrl-C ends the page, never the experiment.

    Examples:

      harness view

      harness view demo --results results
    """
    from harness.workflows import view as workflow

    workflow.from_options(options)

"""`harness report`: the page again, or another form of it, from runs that are there."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json
from harness.workflows.options.report import ReportOptions


@takes(ReportOptions)
def report(options: ReportOptions, json: Json = False) -> None:
    """Write the report of runs: one HTML file that needs no network, or Markdown, JSON, CSV.

    Without names, for each task and model, or for the task that is named: every finished run on the same
    examples as the latest one. Runs that are not finished are named, and no report is replaced by one with fewer finished runs.

    Examples:

      harness report

      harness report support_tickets --format html,md

      harness report support_tickets-lora support_tickets-few -o reports/pair.html
    """
    from harness.workflows import report as workflow

    done = workflow.from_options(options)
    if json:
        say_json(done.to_json())
        return
    from harness.report.terminal import written

    for line in written.lines(done.files, done.chosen, done.verdicts):
        say(line)

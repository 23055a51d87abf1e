"""`harness diagnose`: what the base model lacks, before any GPU time is spent."""

from __future__ import annotations

import dataclasses

from harness.commands._first_line import first_line
from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say_json
from harness.workflows.options.diagnose import DiagnoseOptions


@takes(DiagnoseOptions)
def diagnose(options: DiagnoseOptions, json: Json = False) -> None:
    """Ask the untrained model under several conditions and say what is missing: knowledge,
    retrieval, form or skill, and which methods deserve GPU time.

    Only dev examples are asked; test stays unread.

    Examples:

      harness diagnose support_tickets

      harness diagnose handbook_qa --limit 50 --json
    """
    with first_line(options.task, options.model, silent=options.quiet or json):
        from harness.workflows import diagnose as workflow

    diagnosis = workflow.from_options(dataclasses.replace(options, quiet=options.quiet or json))
    if json:
        say_json(diagnosis.to_json())
        return
    from harness.report.terminal.summary import print_triage

    print_triage(diagnosis)

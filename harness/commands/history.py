"""`harness history`: how every task × recipe has done over time and over base models."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.workflows.options.history import HistoryOptions


@takes(HistoryOptions)
def history(options: HistoryOptions, json: Json = False) -> None:
    """The trend of every recipe, with upgrades and change points marked.

    Examples:

      harness history support_tickets --recipe lora

      harness history --html
    """
    import json as jsonlib
    import sys

    from harness.regression import history_text
    from harness.workflows import history as workflow

    done = workflow.from_options(options)
    for problem in done.problems:
        print(f"note: {problem}", file=sys.stderr)
    if json:
        print(jsonlib.dumps(done.to_json(), ensure_ascii=False))
    elif done.page is not None:
        print(done.page)
    else:
        print(history_text.text(done.series))

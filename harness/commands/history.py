"""`harness history`: how every task × recipe has done over time and over base models."""

from __future__ import annotations

from harness.commands._options import takes
from harness.commands._results import Json
from harness.core.terminal import say, say_json, say_lines
from harness.workflows.options.history import HistoryOptions


@takes(HistoryOptions)
def history(options: HistoryOptions, json: Json = False) -> None:
    """The trend of every recipe, with upgrades and change points marked.

    Examples:

      harness history support_tickets --recipe lora

      harness history --html
    """
    from harness.regression import history_text
    from harness.workflows import history as workflow

    done = workflow.from_options(options)
    for problem in done.problems:
        say(f"note: {problem}", error=True)
    if json:
        say_json(done.to_json())
    elif done.page is not None:
        say(str(done.page))
    else:
        say_lines(history_text.text(done.series, options.task, options.recipe))

"""`harness history`: how every task × recipe has done over time and over base models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say, say_lines


def history(
    task: Annotated[str | None, typer.Argument(help="Only this task.", show_default="all")] = None,
    recipe: Annotated[str | None, typer.Option(help="Only this recipe.", show_default="all")] = None,
    html: Annotated[bool, typer.Option("--html", help="Write the page of all trends.")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page's file.")] = Path("reports/history.html"),
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """The trend of every recipe, with upgrades and change points marked.

    Examples:

      harness history support_tickets --recipe lora

      harness history --html
    """
    import json as jsonlib

    from harness.regression import history as trends
    from harness.regression import history_text

    problems: list[str] = []
    series = trends.load(results, task, recipe, problems)
    for problem in problems:
        say(f"note: {problem}", error=True)
    page = None
    if html:
        from harness.report.build import build_history

        page = build_history(series, out)
    if json:
        content = {"series": [item.to_json() for item in series], "page": None if page is None else str(page)}
        print(jsonlib.dumps(content, ensure_ascii=False))
    elif page is not None:
        print(page)
    else:
        say_lines(history_text.text(series))

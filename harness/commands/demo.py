"""`harness demo`: the shipped experiment, to see what a verdict and a report look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.commands.run import start
from harness.core import shipped
from harness.workflows.options.run import RunOptions

FILE = Path("demo.yaml")


def demo(
    model: Annotated[
        str | None,
        typer.Option(
            help="Another model; tiny has random weights and takes seconds.", show_default="bundled"
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Ask only N test examples.", show_default="80")] = None,
    results: Results = Path("results"),
    report: Annotated[
        Path | None, typer.Option(help="Where to write the report.", show_default="reports/demo.html")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")] = False,
) -> None:
    """Run six methods on a shipped task, then the verdict and the report. The same as: harness run demo.yaml

    Examples:

      harness demo

      harness demo --model tiny --limit 10
    """
    shadowed = FILE.exists() and not FILE.samefile(shipped.ROOT / FILE)  # a demo.yaml of the user's own
    target = shipped.ROOT / FILE if shadowed else FILE
    options = RunOptions(target, model=model or (), limit=limit, results=results, report=report, quiet=quiet)
    start(options, json=json)

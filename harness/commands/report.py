"""`harness report`: the page again, or another form of it, from runs that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results
from harness.core.terminal import say


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(help="Runs, by id or how it begins.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Only runs of this task.", show_default="all tasks")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write.", show_default="reports/<task>.html")
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", help="html, md, json, csv; several with commas.")
    ] = "html",
    title: Annotated[str | None, typer.Option(help="Title of the page.", show_default="the task")] = None,
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write the report of runs: one HTML file that needs no network, or Markdown, JSON, CSV.

    Without names, for each task and model: every finished run on the same examples as the latest one. Runs
    that are not finished are named, and no report is replaced by one with fewer finished runs.

    Examples:

      harness report

      harness report --task support_tickets --format html,md

      harness report support_tickets-lora support_tickets-few -o reports/pair.html
    """
    from harness.report import files, formats, run_selection
    from harness.report.build import build
    from harness.report.terminal import tables
    from harness.results import run_scores
    from harness.results.database import ingest
    from harness.results.folder import ResultsFolder
    from harness.results.remote import mirror

    kinds = formats.parse(format_)
    for problem in ingest.sync(results).problems:
        say(f"note: {problem}", error=True)
    chosen = run_selection.choose(results, runs or (), task)
    for note in chosen.notes:
        say(f"note: {note}", error=True)
    folders = [ResultsFolder(results).run(run_id).path for run_id in chosen.runs]
    verdicts = run_scores.verdicts(folders)
    name = task or "report"
    base = out or Path("reports") / f"{name}.html"
    written: list[Path] = []
    for kind in kinds:
        path = base if out is not None and len(kinds) == 1 else base.with_suffix(f".{kind}")
        if kind == "html":
            placed = files.Placed(out=path) if runs else files.place(results, path, chosen.runs)
            if placed.note:
                say(f"note: {placed.note}", error=True)
            if placed.out is None:
                continue
            ids = (*chosen.runs, *chosen.unfinished)
            written.append(build(results, placed.out, run_ids=ids, verdicts=verdicts, title=title or name))
        else:
            written.append(formats.write(verdicts, kind, path, run_scores.diagnoses(folders)))
        mirror.keep(results, written[-1])
    if json:
        summaries = [verdict.to_json() for verdict in verdicts]
        names = {"runs": list(chosen.runs), "unfinished": list(chosen.unfinished)}
        names["other_examples"] = list(chosen.other_examples)
        tables.print_json({"files": [str(file) for file in written], **names, "verdicts": summaries})
        return
    from harness.report.terminal import written as described

    for line in described.lines(written, chosen, verdicts):
        say(line)

"""`harness import`: other tools' logs as runs, paired example by example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.commands._results import Results


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Logs of lm-eval, Inspect, promptfoo, OpenAI Evals, a CSV of scores, or folders of them; a "
            "finetuning JSONL becomes a task."
        ),
    ],
    task: Annotated[
        str | None, typer.Option(help="One name for the tasks of all files.", show_default="the log's")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="What a file's system is called; one for each file.", show_default="its model"),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The score that decides.", show_default="the first that all logs have")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="A smaller difference does not matter.", show_default="0.02"),
    ] = None,
    pair_by: Annotated[
        Literal["content", "hash", "id"],
        typer.Option(help="What makes two examples one: prompt and target, the tool's hash, or the id."),
    ] = "content",
    beside: Annotated[
        str | None,
        typer.Option(
            help="A task of ours: match its test examples, and score as it does.", show_default=False
        ),
    ] = None,
    judge: Annotated[
        bool, typer.Option("--verdict/--no-verdict", help="Decide, and write the report.")
    ] = True,
    report: Annotated[
        Path | None, typer.Option(help="Where the report goes.", show_default="reports/<task>.html")
    ] = None,
    results: Results = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Read other tools' logs into the store, pair their examples, and say which model is better.

    Imported runs take part in compare, gate, history, report and sql.

    Examples:

      harness import model-a/results_2026-11-28.json model-b/results_2026-11-28.json

      harness import before.eval after.eval --metric match

      harness import scores.csv --task cups

      harness import results_2026-11-28.json --beside my_task
    """
    from harness.workflows import finetuning_file
    from harness.workflows import import_logs as workflow

    if len(files) == 1 and finetuning_file.recognizes(files[0]):
        finetuning_file.show(finetuning_file.make(files[0], task), as_json=json)
        return
    options = workflow.ImportOptions(
        files=tuple(files),
        task=task,
        names=tuple(name or ()),
        metric=metric,
        margin=margin,
        pair_by=pair_by,
        beside=beside,
    )
    workflow.show(workflow.run(options, results, report=report, judge=judge), as_json=json)

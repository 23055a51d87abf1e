"""`harness diagnose`: what the base model lacks, before any GPU time is spent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results


def diagnose(
    task: Annotated[str, typer.Argument(help="A task's name or folder.")],
    model: Annotated[str, typer.Option(help="The base model.")] = "smollm2-135m-instruct",
    limit: Annotated[int, typer.Option(min=5, help="How many dev examples to probe.")] = 100,
    results: Results = Path("results"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Ask the untrained model under several conditions and say what is missing: knowledge,
    retrieval, form or skill, and which methods deserve GPU time.

    Only dev examples are asked; test stays unread.

    Examples:

      harness diagnose support_tickets

      harness diagnose handbook_qa --limit 50 --json
    """
    from harness.runner.progress import choose
    from harness.tasks.load import load
    from harness.workflows.diagnose import on_training_data, run_probes

    loaded = load(task)
    if not loaded.splits.get("dev"):
        loaded = on_training_data(loaded)
    with choose(quiet=quiet or json) as progress:
        diagnosis = run_probes(loaded, model, results, limit=limit, progress=progress, named=task)
    if json:
        import json as jsonlib

        print(jsonlib.dumps(diagnosis.to_json(), ensure_ascii=False))
        return
    from harness.report.terminal.summary import print_triage

    print_triage(diagnosis)

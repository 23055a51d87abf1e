"""`harness benchmark`: lm-eval tasks on a run's model or a published one, and what a finetune forgot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands._results import Results


def benchmark(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Runs (by id or how it begins) or models.", show_default=False),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option(help="Comma-separated lm-eval tasks, or task YAML files.", show_default=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N documents of each task.")] = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option(
            "--num-fewshot", "--num_fewshot", min=0, help="Examples shown.", show_default="the task's"
        ),
    ] = None,
    chat_template: Annotated[bool, typer.Option(help="Ask through the model's chat template.")] = False,
    dtype: Annotated[
        str | None, typer.Option(help="Number format of an unquantized base.", show_default="the recipe's")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Most answers written at once.", show_default="by memory")
    ] = None,
    allow_task_code: Annotated[
        bool, typer.Option("--allow-task-code", help="Trust task files: they run code on this machine.")
    ] = False,
    base: Annotated[bool, typer.Option(help="Measure a run's untuned base too: what did it forget?")] = True,
    import_: Annotated[
        list[Path] | None, typer.Option("--import", help="lm-eval's results_*.json.", show_default=False)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write results and samples as lm-eval does.", show_default=False)
    ] = None,
    results: Results = Path("results"),
    cache: Annotated[bool, typer.Option(help="Reuse what was measured before.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure models on public benchmarks, and what training made them forget.

    A repeated command measures nothing again.

    Examples:

      harness benchmark smollm2-135m-instruct --tasks arc_easy,piqa --limit 200

      harness benchmark support_tickets-full support_tickets-lora --tasks my_task.yaml --allow-task-code

      harness benchmark support_tickets-lora --import results_2026-01-31.json

      harness benchmark support_tickets-lora --export lm_eval_results
    """
    from harness.benchmarks.result_files import Settings
    from harness.results.database import ingest
    from harness.workflows import benchmark as workflow

    work = workflow.work(results, targets or (), dtype=dtype, quiet=quiet or json)
    taken = workflow.take(work, import_ or ())
    settings = Settings(limit=limit, num_fewshot=num_fewshot, chat_template=chat_template)
    if tasks:
        measured = workflow.run(
            work, tasks, settings, bases=base, cache=cache, batch=batch, allow_code=allow_task_code
        )
    else:
        measured = workflow.stored(work)
    files = workflow.write(work, export) if export is not None else ()
    ingest.sync(results)
    workflow.show(workflow.BenchmarkResult(measured=measured, imported=taken, files=files), as_json=json)

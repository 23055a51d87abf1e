"""Options of `harness benchmark`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import File, Names, Repeated, Typed
from harness.workflows.options.shared import Quiet, ResultsOptions


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(ResultsOptions):
    """Runs or models, what they are measured on, and which files are read or written."""

    targets: Annotated[
        Repeated, typer.Argument(help="Runs (by id or its beginning) or models.", show_default=False)
    ] = field(default=(), kw_only=False)
    tasks: Annotated[
        Names, typer.Option(help="Comma-separated lm-eval tasks, or task YAML files.", show_default=False)
    ] = ()
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N documents of each task.")] = None
    num_fewshot: Annotated[
        int | None,
        typer.Option(
            "--num-fewshot",
            "--num_fewshot",
            min=0,
            help="Number of few-shot examples.",
            show_default="the task's",
        ),
    ] = None
    chat_template: Annotated[bool, typer.Option(help="Ask through the model's chat template.")] = False
    dtype: Annotated[
        str | None, typer.Option(help="Data type of an unquantized base.", show_default="the recipe's")
    ] = None
    batch: Annotated[
        int | None, typer.Option(min=1, help="Maximum batch size.", show_default="by memory")
    ] = None
    allow_task_code: Annotated[
        bool, typer.Option("--allow-task-code", help="Trust task files: they run code on this machine.")
    ] = False
    base: Annotated[bool, typer.Option(help="Measure a run's untuned base too: what did it forget?")] = True
    import_: Annotated[
        str | Path | Sequence[str | Path],
        Typed(list[Path]),
        typer.Option("--import", help="lm-eval's results_*.json.", show_default=False),
    ] = ()
    export: Annotated[
        File, typer.Option(help="Write results and samples as lm-eval does.", show_default=False)
    ] = None
    cache: Annotated[bool, typer.Option(help="Reuse what was measured before.")] = True
    quiet: Quiet = False

"""Options of `harness import`, which Python knows as `import_logs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from harness.core.options import File, Repeated, Typed
from harness.imports.content import Evidence
from harness.workflows.options.shared import ResultsOptions


@dataclass(frozen=True, kw_only=True)
class ImportOptions(ResultsOptions):
    """Logs of other tools, how their examples pair, and what decides."""

    files: Annotated[
        str | Path | Sequence[str | Path],
        Typed(list[Path]),
        typer.Argument(
            help="Logs of lm-eval, Inspect, promptfoo, OpenAI Evals, a CSV of scores, or folders of them; a "
            "finetuning JSONL becomes a task."
        ),
    ] = field(kw_only=False)
    task: Annotated[
        str | None, typer.Option(help="One name for the tasks of all files.", show_default="the log's")
    ] = None
    name: Annotated[
        Repeated,
        typer.Option(help="What a file's system is called; one for each file.", show_default="its model"),
    ] = ()
    metric: Annotated[
        str | None, typer.Option(help="The score that decides.", show_default="the first that all logs have")
    ] = None
    margin: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="A smaller difference does not matter.", show_default="0.02"),
    ] = None
    pair_by: Annotated[
        Evidence,
        typer.Option(help="What makes two examples one: prompt and target, the tool's hash, or the id."),
    ] = "content"
    beside: Annotated[
        str | None,
        typer.Option(
            help="A task of the harness: match its test examples, and score as it does.", show_default=False
        ),
    ] = None
    verdict: Annotated[bool, typer.Option("--verdict/--no-verdict", help="Decide, and write the report.")] = (
        True
    )
    report: Annotated[
        File, typer.Option(help="Where the report goes.", show_default="reports/<task>.html")
    ] = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, whether one or several were given."""
        files = (self.files,) if isinstance(self.files, str | Path) else self.files
        return tuple(Path(file) for file in files)

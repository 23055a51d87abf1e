"""Options that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from harness.core.options import Typed
from harness.results.remote import mirror


def _leave_in_step(context: typer.Context, folder: Path) -> Path:
    """Whatever the command leaves in a mirror is uploaded when it ends, however it ends."""
    mirror.local(folder)  # the default is not parsed
    context.call_on_close(lambda: mirror.push(folder))
    return folder


RESULTS = typer.Option(
    help="Where runs are kept: a folder, or a URL such as s3://bucket/x.",
    metavar="PATH",
    parser=mirror.results_folder,
    callback=_leave_in_step,
)
"""`--results`, the same in every command: a folder, or a URL of remote storage that a local folder mirrors."""

Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


@dataclass(frozen=True, kw_only=True)
class ResultsOptions:
    """The results folder. Callers replace a URL with the folder that mirrors it before a workflow starts."""

    results: Annotated[str | Path, Typed(Path), RESULTS] = Path("results")

    @property
    def results_path(self) -> Path:
        return Path(self.results)

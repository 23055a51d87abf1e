"""`--results`, the same in every command: a folder, or a URL of remote storage that a local folder mirrors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.results.remote import mirror


def _leave_in_step(context: typer.Context, folder: Path) -> Path:
    """Whatever the command leaves in a mirror is uploaded when it ends, however it ends."""
    context.call_on_close(lambda: mirror.push(folder))
    return folder


Results = Annotated[
    Path,
    typer.Option(
        help="Where runs are kept: a folder, or a URL such as s3://bucket/x.",
        metavar="PATH",
        parser=mirror.results_folder,
        callback=_leave_in_step,
    ),
]

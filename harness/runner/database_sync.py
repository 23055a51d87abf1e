"""Keeping DuckDB in step with the run folders while runs finish."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.terminal import say


def open_index(results: Path) -> None:
    """Fail before any work when the index cannot be written; a damaged one is made again.

    Raises:
        ConfigError: the folder cannot be written, or another process holds the database.
    """
    from harness.results.database.ingest import rebuild
    from harness.results.database.store import DamagedError, check
    from harness.runner.runner import check_writable

    check_writable(results)
    try:
        check(results)
    except DamagedError as error:
        done = rebuild(results)
        say(
            f"warning: {error.file}: {error.message}; made again from the run folders ({done.runs} runs)",
            error=True,
        )


def index(results: Path, folder: Path) -> None:
    """Bring a finished run into DuckDB; a locked index does not stop the other runs."""
    from harness.results.database.ingest import ingest_run

    try:
        ingest_run(results, folder)
    except ConfigError as error:
        say(f"warning: {folder.name} is not indexed yet: {error}", error=True)

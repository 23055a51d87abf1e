"""Keeping DuckDB in step with the run folders while runs finish."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.core.errors import ConfigError


def open_index(results: Path) -> None:
    """Fail before any work when the index cannot be written.

    Raises:
        ConfigError: the folder cannot be written, or another process holds the database.
    """
    from harness.run.runner import check_writable
    from harness.store.store import Store

    check_writable(results)
    Store.open(results, write=True).close()


def index(results: Path, folder: Path) -> None:
    """Bring a finished run into DuckDB; a locked index is no reason to stop the other runs."""
    from harness.store.ingest import ingest_run

    try:
        ingest_run(results, folder)
    except ConfigError as error:
        print(f"warning: {folder.name} is not indexed yet: {error}", file=sys.stderr)

"""The one door to DuckDB: opens `results/harness.duckdb`, migrates it, and says who holds it.

The database is an index over the run folders. It can be deleted at any time:
`harness db rebuild` makes it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from harness.core.errors import ConfigError

FILE = "harness.duckdb"
MIGRATIONS = Path(__file__).parent / "migrations"
REBUILD = "nothing is lost, runs are in files: `harness db rebuild` makes the index again"


@contextmanager
def opened(results: Path, *, write: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the index of `results`, closed at the end.

    A reader cannot reach the file system from SQL and cannot change the index.

    Raises:
        ConfigError: no index yet, locked by another process, or not a DuckDB file.
    """
    path = results / FILE
    if not write and not path.exists():
        raise ConfigError("no results yet", file=path, remedy="run something, or `harness db rebuild`")
    connection = _connect(path, write)
    try:
        if write:
            migrate(connection)
        else:
            connection.execute("SET enable_external_access = false")
        yield connection
    finally:
        connection.close()


def _connect(path: Path, write: bool) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return duckdb.connect(str(path), read_only=not write)
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", file=path.parent) from None
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            held = f"held by another process ({_holder(str(error))})"
            remedy = f"close it and run the same command again; {REBUILD}"
            raise ConfigError(held, file=path, remedy=remedy) from None
        raise ConfigError(f"cannot be opened: {_first_line(error)}", file=path, remedy=REBUILD) from None
    except duckdb.Error as error:
        raise ConfigError(f"not a usable index: {_first_line(error)}", file=path, remedy=REBUILD) from None


def _holder(message: str) -> str:
    found = message.partition("PID ")[2].partition(")")[0].split(".")[0].strip()
    return f"PID {found}" if found else "a database browser or another harness command"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]


def check(results: Path) -> None:
    """Fail before any work when the index cannot be written.

    Raises:
        ConfigError: as `opened`.
    """
    with opened(results, write=True):
        return


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the index to the newest schema. Migrations are files, run once each, in order."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY)")
    done = {row[0] for row in connection.execute("SELECT name FROM migrations").fetchall()}
    for file in sorted(MIGRATIONS.glob("*.sql")):
        if file.name not in done:
            connection.begin()
            connection.execute(file.read_text(encoding="utf-8"))
            connection.execute("INSERT INTO migrations VALUES (?)", [file.name])
            connection.commit()


def select(results: Path, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
    """Rows of a read-only query as dictionaries.

    Raises:
        ConfigError: no index, or SQL that does not run (with DuckDB's message).
    """
    with opened(results) as connection:
        try:
            done = connection.execute(query, parameters or [])
            names = [column[0] for column in done.description or []]
            return [dict(zip(names, row, strict=True)) for row in done.fetchall()]
        except duckdb.Error as error:
            raise ConfigError(f"SQL: {str(error).strip()}") from None


def replace_file(results: Path) -> Path:
    """Move a broken or old index out of the way; returns where it was."""
    path = results / FILE
    for old in (path, path.with_name(FILE + ".wal")):
        if old.exists():
            os.replace(old, old.with_name(old.name + ".old"))
    return path

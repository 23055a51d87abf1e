"""Queries of models, run on a database that a task ships: read-only, bounded in time, memory and rows."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from harness.core.errors import ConfigError

MOST_ROWS = 10_000
"""Rows of the longest result that is compared."""
MEGABYTES = 512
"""Memory of one query."""
MOST_BYTES = 50_000_000
"""Bytes of the longest text or blob that SQLite may create."""
SQLITE = (".sqlite", ".sqlite3", ".db")

Rows = list[tuple[object, ...]]
Query = Callable[[str, float], Rows]
"""From a statement and seconds to its rows."""


class QueryError(Exception):
    """A statement that is not a query, that the database refuses, or that exceeds a limit."""


@lru_cache(maxsize=8)
def database(file: Path | None, digest: str) -> Query:  # noqa: ARG001 part of the key of the memory
    """What runs queries on a SQLite file, on a `.sql` script in an in-memory DuckDB, or (None) on no tables at all.

    Args:
        file: the database.
        digest: the SHA-256 of the file, so that a changed one is opened again.

    Raises:
        ConfigError: the script fails.
    """
    if file is not None and engine(file) == "sqlite":
        return lambda text, seconds: _sqlite(file, text, seconds)
    return _duckdb(file)


def engine(file: Path | None) -> str:
    """Which database a file belongs to: `sqlite` or `duckdb`, as sqlglot calls their dialects."""
    return "sqlite" if file is not None and file.suffix.lower() in SQLITE else "duckdb"


def _sqlite(file: Path, text: str, seconds: float) -> Rows:
    """The file is opened read-only for each query, and nothing but reading is authorized."""
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    deadline = time.monotonic() + seconds
    try:
        connection.execute(f"PRAGMA hard_heap_limit = {MEGABYTES * 1_000_000}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
        connection.set_authorizer(_reads_only)
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 10_000)
        cursor = connection.execute(text)
        if cursor.description is None:
            raise QueryError("not a query")
        return _bounded(cursor.fetchmany(MOST_ROWS + 1))
    except (sqlite3.Error, sqlite3.Warning, MemoryError) as error:
        late = time.monotonic() > deadline
        raise QueryError(f"took longer than {seconds:g} s" if late else str(error)[:200]) from None
    finally:
        connection.close()


def _reads_only(action: int, *_: str | None) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY


def _duckdb(script: Path | None) -> Query:
    import duckdb

    connection = duckdb.connect(config={"memory_limit": f"{MEGABYTES}MB", "threads": 1})
    # Set before the script runs: it comes with the task, which may be untrusted, and may not read files
    # either.
    connection.execute("SET enable_external_access = false; SET max_temp_directory_size = '0B'")
    if script is not None:
        try:
            connection.execute(script.read_text(encoding="utf-8"))
        except duckdb.Error as error:
            raise ConfigError(
                f"the database's script fails: {str(error).splitlines()[0]}", file=script
            ) from None
    connection.execute("SET lock_configuration = true")

    def query(text: str, seconds: float) -> Rows:
        cursor = connection.cursor()
        watch = threading.Timer(seconds, cursor.interrupt)
        watch.start()
        try:
            statements = connection.extract_statements(text)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise QueryError("not a query")
            return _bounded(cursor.execute(statements[0]).fetchmany(MOST_ROWS + 1))
        except duckdb.InterruptException:
            raise QueryError(f"took longer than {seconds:g} s") from None
        except (duckdb.Error, MemoryError, OverflowError, ValueError) as error:
            raise QueryError((str(error).splitlines() or [type(error).__name__])[0][:200]) from None
        finally:
            watch.cancel()
            cursor.close()

    return query


def _bounded(rows: Rows) -> Rows:
    if len(rows) > MOST_ROWS:
        raise QueryError(f"more than {MOST_ROWS:,} rows")
    return rows

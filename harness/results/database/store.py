"""The DuckDB file: opening, locking, migrating. Only this room imports duckdb.

Connections are short: one writing process locks every other process out, readers included, so
a connection is opened for one piece of work and closed.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import duckdb

from harness.core.errors import ConfigError
from harness.results.run_files import JsonLine

FILE = "harness.duckdb"
Parameters = Sequence[object] | Mapping[str, object]
"""Values for the placeholders of a query, by position or by name."""
MIGRATIONS = Path(__file__).parent / "migrations"
REBUILD = "nothing is lost: `harness db rebuild` makes this index again from the run folders"
REPLACING = 60.0
"""Seconds to wait for others to close a file that is to be replaced, or for it to be replaced; both take milliseconds."""
PATIENCE = 3.0
"""Seconds to wait for a file that another process is writing; ingesting one run takes less."""


class Store:
    """An open DuckDB of one results folder; a context manager."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: Path, held: IO[str] | None = None
    ) -> None:
        self.connection, self.path, self._held = connection, path, held

    @classmethod
    def _connected(cls, path: Path, *, read_only: bool, patience: float) -> Self:
        """A connection that keeps the file from being replaced while it is open."""
        held = hold(path)
        try:
            return cls(_connect(path, read_only=read_only, patience=patience), path, held)
        except BaseException:
            if held is not None:
                held.close()
            raise

    @classmethod
    def open(cls, results: Path, write: bool = False, patience: float = PATIENCE) -> Self:
        """Open `results/harness.duckdb`; created, or migrated to the newest schema, if needed.

        Raises:
            ConfigError: no results folder, a file that is locked by another process, damaged, or
                written by a newer DuckDB, or a folder that cannot be written.
        """
        path = results / FILE
        if not write and not results.is_dir():
            remedy = "name the folder with --results, or make it with: harness run TASK"
            raise ConfigError("no such results folder", file=results, remedy=remedy)
        if write or not path.exists():
            return cls.writable(path, patience)
        store = cls._connected(path, read_only=True, patience=patience)
        if store.migrated() == {file.stem for file in migrations()}:
            return store
        store.close()
        cls.writable(path, patience).close()
        return cls._connected(path, read_only=True, patience=patience)

    @classmethod
    def writable(cls, path: Path, patience: float = PATIENCE) -> Self:
        """Open (or make) this file for writing, with the newest schema."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path.parent, error.strerror or str(error)) from None
        store = cls._connected(path, read_only=False, patience=patience)
        store._migrate()
        return store

    def migrated(self) -> set[str]:
        """Names of the migrations that were applied to this file."""
        if not self.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'migrations'"):
            return set()
        return {row["name"] for row in self.rows("SELECT name FROM migrations")}

    def _migrate(self) -> None:
        """Run the missing migrations; an index made by another version is emptied first."""
        known = {file.stem: file for file in migrations()}
        with self.transaction():
            if not self.migrated() <= set(known):
                self._empty()
            self.execute("CREATE TABLE IF NOT EXISTS migrations (name VARCHAR PRIMARY KEY)")
            for name in sorted(set(known) - self.migrated()):
                self.execute(known[name].read_text(encoding="utf-8"))
                self.execute("INSERT INTO migrations VALUES (?)", [name])

    def _empty(self) -> None:
        for view in self.rows("SELECT view_name AS name FROM duckdb_views() WHERE NOT internal"):
            self.execute(f'DROP VIEW "{view["name"]}"')
        for table in self.rows("SELECT table_name AS name FROM duckdb_tables()"):
            self.execute(f'DROP TABLE "{table["name"]}"')

    def execute(self, query: str, parameters: Parameters | None = None) -> None:
        self.connection.execute(query, parameters)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[JsonLine]:
        """All rows of a query, as dicts by column name."""
        result = self.connection.execute(query, parameters)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self.connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        self.connection.close()
        if self._held is not None:
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def hold(path: Path, *, alone: bool = False) -> IO[str] | None:
    """The lock of a database file: shared by all processes that have it open, exclusive while it is replaced.
    It ends with the process, or when the returned file is closed. None in a folder that cannot be written,
    where nothing is replaced.

    Raises:
        ConfigError: other processes keep it for longer than a minute.
    """
    try:
        stream = path.with_name(f".{path.name}.lock").open("a", encoding="utf-8")
    except OSError:
        return None
    until = time.monotonic() + REPLACING
    while True:
        try:
            fcntl.flock(stream, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                stream.close()
                raise _locked(path, "") from None
            time.sleep(0.02)
        else:
            return stream


class DamagedError(ConfigError):
    """The index is not a DuckDB file, or is truncated. It can be rebuilt from the run folders."""


def check(results: Path) -> None:
    """Fail now, before hours of work, if finished runs could not be ingested.

    Raises:
        DamagedError: not a database, or one that was cut off.
        ConfigError: as `Store.open`.
    """
    with Store.open(results, write=True) as store:
        (size,) = store.rows("PRAGMA database_size")
        # Free blocks count among the total, and DuckDB gives those at the end of the file back to the disk.
        if store.path.stat().st_size < size["block_size"] * size["used_blocks"]:
            raise DamagedError("the database is cut off", file=store.path, remedy=REBUILD)


def migrations() -> list[Path]:
    """The numbered SQL files, in order; one that has been released is never edited."""
    return sorted(MIGRATIONS.glob("[0-9]*.sql"))


def _connect(path: Path, *, read_only: bool, patience: float) -> duckdb.DuckDBPyConnection:
    until = time.monotonic() + patience
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except (duckdb.Error, OSError) as error:
            text = str(error)
            locked = "lock" in text.lower() or "different configuration" in text
            if not locked:
                raise _unreadable(path, text) from None
            if time.monotonic() > until:
                raise _locked(path, text) from None
            time.sleep(0.1)


def _locked(path: Path, text: str) -> ConfigError:
    number = re.search(r"PID (\d+)", text)
    who = f"process {number[1]}" if number else "another process"
    return ConfigError(
        f"locked by {who}: a harness command that is writing, or a DuckDB shell or notebook",
        file=path,
        remedy=f"close it and try again; {REBUILD}",
    )


def _unreadable(path: Path, text: str) -> ConfigError:
    first = text.splitlines()[0] if text else "unknown error"
    if "permission" in text.lower() or "read-only" in text.lower():
        return _unwritable(path, first)
    return DamagedError(f"cannot be opened as a database: {first}", file=path, remedy=REBUILD)


def _unwritable(path: Path, text: str) -> ConfigError:
    remedy = "choose another folder with --results, or make this one writable"
    return ConfigError(f"cannot be written: {text}", file=path, remedy=remedy)

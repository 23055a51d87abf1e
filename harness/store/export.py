"""The index as Parquet files: for other tools, and for DuckDB versions that cannot read ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import ConfigError
from harness.store.store import opened


def parquet(results: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """Write each table to `folder`; yields each file and its number of rows.

    Raises:
        ConfigError: no index, or a folder that cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot be made: {error.strerror}", file=folder) from None
    with opened(results, write=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            if table != "migrations":
                path = folder / f"{table}.parquet"
                connection.execute(f"COPY {table} TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
                yield path, connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]

"""Tables and views as Parquet, which any version of DuckDB, pandas, polars or Spark reads."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.files import draft
from harness.core.secrets import marks, masked
from harness.results.database.queries import tables, views
from harness.results.database.store import Store

TEXTS = {"VARCHAR": "masked({})", "JSON": "masked({}::VARCHAR)::JSON", "VARCHAR[]": "masked_list({})"}
"""Types of columns that may hold a key, and how each is masked."""


def export_parquet(store: Store, folder: Path) -> list[Path]:
    """Write every table and view as `<name>.parquet` into `folder`; returns the files.

    Keys in the environment now are masked, also where a run was stored without them.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=folder) from None
    connection = store.connection
    connection.create_function("masked", masked, ["VARCHAR"], "VARCHAR")
    connection.create_function("masked_list", _masked_list, ["VARCHAR[]"], "VARCHAR[]")
    files = []
    for name in (*tables(store), *views(store)):
        file = folder / f"{name}.parquet"
        with draft(file) as part:
            connection.sql(_without_keys(store, name)).write_parquet(str(part))
        files.append(file)
    return files


def _without_keys(store: Store, name: str) -> str:
    """A query for a table whose texts are masked; Python is called only for texts that may hold a key."""
    changed = []
    for column in store.rows(f"DESCRIBE {name}"):
        quoted, change = f'"{column["column_name"]}"', TEXTS.get(column["column_type"])
        if change is not None:
            suspect = " OR ".join(f"contains({quoted}::VARCHAR, '{mark}')" for mark in marks())
            if suspect:
                changed.append(
                    f"CASE WHEN {suspect} THEN {change.format(quoted)} ELSE {quoted} END AS {quoted}"
                )
    return f"SELECT * REPLACE ({', '.join(changed)}) FROM {name}" if changed else f"FROM {name}"


def _masked_list(texts: list[str | None]) -> list[str | None]:
    return [None if text is None else masked(text) for text in texts]

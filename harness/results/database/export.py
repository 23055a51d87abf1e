"""Tables and views as Parquet, which any version of DuckDB, pandas, polars or Spark reads."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import ConfigError
from harness.results.database.queries import tables, views
from harness.results.database.store import Store


def export_parquet(store: Store, folder: Path) -> list[Path]:
    """Write every table and view as `<name>.parquet` into `folder`; returns the files.

    Raises:
        ConfigError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=folder) from None
    files = [folder / f"{name}.parquet" for name in (*tables(store), *views(store))]
    for path in files:
        store.connection.sql(f"FROM {path.stem}").write_parquet(str(path))
    return files

"""Rows of all tables, gathered and inserted many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from harness.results.database import bulk, columns
from harness.results.database.store import Store
from harness.results.folder import RunFolder
from harness.results.run_files import Head, JsonLine

BATCH = 2000
"""Rows of one table held in memory at a time."""


class Loader:
    """Rows gathered by table and inserted through Arrow, many at a time."""

    def __init__(self, store: Store, reader: bulk.Reader | None = None) -> None:
        self.store, self.reader = store, reader
        self._pending: dict[str, list[JsonLine]] = defaultdict(list)
        self._types: dict[str, dict[str, str]] = {}

    def add(self, table: str, run_id: str | None, rows: Iterable[JsonLine]) -> None:
        """Rows of a run; keys that are not columns of the table are left out."""
        self._pending[table] += [{**row, "run_id": run_id} for row in rows]
        if len(self._pending[table]) >= BATCH:
            self.flush()

    def bulk(self, head: Head) -> int | None:
        """The samples of a run at once; how many, or None if they must be read row by row."""
        file = RunFolder(head.folder).samples
        return None if self.reader is None else self.reader.load(head.id, file)

    def flush(self) -> None:
        """Insert every pending row."""
        for table, rows in self._pending.items():
            if rows:
                self._insert(table, rows)
        self._pending.clear()

    def _insert(self, table: str, rows: list[JsonLine]) -> None:
        if table not in self._types:
            described = self.store.rows(f"SELECT * FROM (DESCRIBE {table})")
            self._types[table] = {row["column_name"]: row["column_type"] for row in described}
        arrays = {name: _column(name, kind, rows) for name, kind in self._types[table].items()}
        self.store.connection.register("_incoming", pa.table(arrays))
        self.store.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _incoming")
        self.store.connection.unregister("_incoming")


def _column(name: str, kind: str, rows: list[JsonLine]) -> pa.Array[Any]:
    values = [row.get(name) for row in rows]
    if kind == "JSON":
        values = [v if v is None or isinstance(v, str) else columns.as_json(v) for v in values]
    return pa.array(values, type=_ARROW[kind], from_pandas=False)


_ARROW = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int64(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()),
    "TIMESTAMP": pa.string(),
}

"""Rows of all tables, gathered and inserted many at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.results.database import bulk, columns
from harness.results.database.bulk_queries import Written
from harness.results.database.store import Store
from harness.results.folder import RunFolder
from harness.results.run_files import Head, JsonLine

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2000
"""Rows of one table held in memory at a time."""
FEW = 20
"""Rows up to which they are inserted one by one: Arrow, and pandas for its first array, take longer to import."""


class Loader:
    """Rows gathered by table and inserted through Arrow, many at a time."""

    def __init__(
        self,
        store: Store,
        reader: bulk.Reader | None = None,
        written: Mapping[str, Written] | None = None,
    ) -> None:
        self.store, self.reader, self._written = store, reader, written or {}
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
        written = self._written.get(head.id)
        return None if self.reader is None else self.reader.load(head.id, file, written)

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
        if len(rows) <= FEW:
            self._insert_each(table, rows)
            return
        import pyarrow as pa

        arrays = {name: _column(name, kind, rows) for name, kind in self._types[table].items()}
        self.store.connection.register("_incoming", pa.table(arrays))
        written = ", ".join(
            f"{_written(kind, _quoted(name))} AS {_quoted(name)}" for name, kind in self._types[table].items()
        )
        self.store.execute(f"INSERT INTO {table} BY NAME SELECT {written} FROM _incoming")
        self.store.connection.unregister("_incoming")

    def _insert_each(self, table: str, rows: list[JsonLine]) -> None:
        kinds = self._types[table]
        names = ", ".join(map(_quoted, kinds))
        marks = ", ".join(_written(kind, "?") for kind in kinds.values())
        values = [[_value(kind, row.get(name)) for name, kind in kinds.items()] for row in rows]
        self.store.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _written(kind: str, value: str) -> str:
    """What is inserted of a value: JSON as DuckDB itself writes it, as in `bulk`."""
    return f"json({value}::VARCHAR)" if kind == "JSON" else value


def _value(kind: str, value: object) -> object:
    """A value for a column, as `_column` makes it.

    Raises:
        TypeError: another type; DuckDB would cast it.
    """
    if value is None:
        return None
    if kind == "JSON":
        return value if isinstance(value, str) else columns.as_json(value)
    if kind in _WHOLE and isinstance(value, float):
        return int(value)
    fits = isinstance(value, _PYTHON[kind]) and not (kind in _WHOLE and isinstance(value, bool))
    if isinstance(value, list):
        fits = fits and all(item is None or isinstance(item, str) for item in value)
    if not fits:
        raise TypeError(f"{value!r} is no {kind}")
    return value


_WHOLE = ("INTEGER", "BIGINT")
_PYTHON: dict[str, tuple[type, ...]] = {
    "VARCHAR": (str,),
    "VARCHAR[]": (list,),
    "TIMESTAMP": (str,),
    "DOUBLE": (int, float),
    "INTEGER": (int,),
    "BIGINT": (int,),
    "BOOLEAN": (bool,),
}


def _column(name: str, kind: str, rows: list[JsonLine]) -> pa.Array[Any]:
    import pyarrow as pa

    values = [row.get(name) for row in rows]
    if kind == "JSON":
        values = [v if v is None or isinstance(v, str) else columns.as_json(v) for v in values]
    return pa.array(values, type=_arrow(kind), from_pandas=False)


def _arrow(kind: str) -> pa.DataType:
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        **dict.fromkeys(("VARCHAR", "JSON", "TIMESTAMP"), pa.string()),
        **dict.fromkeys(("INTEGER", "BIGINT"), pa.int64()),
        **{"DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(), "VARCHAR[]": pa.list_(pa.string())},
    }
    return types[kind]

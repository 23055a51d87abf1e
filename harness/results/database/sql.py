"""A user's query: read-only, without access to the file system and the network."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from harness.core.errors import ConfigError
from harness.core.finite import finite_number
from harness.results.database import running
from harness.results.database.store import Store


@dataclass(frozen=True)
class Answer:
    """Column names (made unique) and rows of plain JSON values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def to_json(self) -> dict[str, object]:
        return {
            "columns": list(self.columns),
            "rows": [dict(zip(self.columns, r, strict=True)) for r in self.rows],
        }


def run(results: Path, query: str) -> Answer:
    """Run one query (or several; the last one's rows are returned).

    Raises:
        ConfigError: a query that DuckDB refuses, with its message.
    """
    with Store.open(results) as store:
        running.mark(store, results)
        store.execute("SET enable_external_access = false")
        store.execute("SET lock_configuration = true")
        try:
            result = store.connection.execute(query)
            if result is None:  # whatever its types say
                raise ConfigError("there is no statement in the query", remedy="ask a SELECT")
            names = _unique([column[0] for column in result.description or ()])
            rows = tuple(tuple(_plain(value) for value in row) for row in result.fetchall()) if names else ()
        except duckdb.Error as error:
            remedy = "tables and views: docs/store.md, or: harness sql 'SHOW ALL TABLES'"
            raise ConfigError(f"query refused: {_first_line(error)}", remedy=remedy) from None
    return Answer(names, rows)


def relation(results: Path, query: str) -> duckdb.DuckDBPyRelation:
    """A query's answer as a relation of a database in memory: the index itself is closed again, so that
    a notebook that keeps the answer locks no other process out.

    Raises:
        ConfigError: a query that DuckDB refuses, or one that returns nothing.
    """
    with Store.open(results) as store:
        running.mark(store, results)
        store.execute("SET enable_external_access = false")
        store.execute("SET lock_configuration = true")
        try:
            answer = store.connection.sql(query)
            table = None if answer is None else answer.to_arrow_table()
        except duckdb.Error as error:
            remedy = "tables and views: docs/store.md"
            raise ConfigError(f"query refused: {_first_line(error)}", remedy=remedy) from None
    if table is None:
        raise ConfigError("the query returns nothing", remedy="ask a SELECT")
    return duckdb.connect().from_arrow(table)


def _first_line(error: duckdb.Error) -> str:
    """DuckDB's message without its drawing of the query; its own suggestion is kept."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("LINE ", "^")))


def _unique(names: list[str]) -> tuple[str, ...]:
    """A second `n` becomes `n_2`, so that a row can be an object."""
    unique: list[str] = []
    for name in names:
        number, candidate = 1, name
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return tuple(unique)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return finite_number(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


def _number(value: Decimal) -> float | str:
    """A DECIMAL as a number, or as its exact text if it has more digits than a double keeps."""
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else str(value)

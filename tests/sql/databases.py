"""Small random tables in an in-memory SQLite and DuckDB, and what a query gives there."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from typing import Any

import duckdb

from tests.sql.queries import WORDS

_SCHEMA = (
    "CREATE TABLE person (id INTEGER, name VARCHAR, age INTEGER)",
    "CREATE TABLE visit (id INTEGER, person_id INTEGER, place VARCHAR, cost INTEGER)",
)


class Database:
    """Both tables with random rows, NULLs among them.

    Args:
        dialect: `sqlite` or `duckdb`.
    """

    def __init__(self, dialect: str, rng: random.Random) -> None:
        connect: Any = sqlite3.connect if dialect == "sqlite" else duckdb.connect
        self._connection = connect(":memory:")
        for statement in _SCHEMA:
            self._connection.execute(statement)
        word = lambda: rng.choice((*WORDS, None))  # noqa: E731
        number = lambda: rng.choice((0, 1, 2, 3, None))  # noqa: E731
        for _ in range(rng.randint(0, 6)):
            self._connection.execute("INSERT INTO person VALUES (?, ?, ?)", (number(), word(), number()))
        for _ in range(rng.randint(0, 6)):
            self._connection.execute(
                "INSERT INTO visit VALUES (?, ?, ?, ?)", (number(), number(), word(), number())
            )

    def rows(self, query: str, key: int | None = None) -> object:
        """The rows as often as they occur, and the order of one column; of a query that is refused, why.

        Args:
            key: the position of the column that the rows are ordered by.
        """
        try:
            rows = self._connection.execute(query).fetchall()
        except (sqlite3.Error, duckdb.Error) as error:
            return f"refused: {str(error)[:60]}"
        return Counter(rows), [] if key is None else [row[key] for row in rows]

    def close(self) -> None:
        self._connection.close()

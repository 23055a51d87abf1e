"""What a database refuses and sqlglot accepts: it reads every dialect's extras in all of them, and drops
commas.

SQLite and DuckDB read the statement themselves; for the others commas are checked.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import TYPE_CHECKING

import sqlglot
from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COMMA_BEHIND_COLUMNS = ("bigquery", "snowflake", "databricks", "spark", "clickhouse")
"""Dialects that allow a comma after the last column."""
COMMA_ANYWHERE = ("clickhouse",)
"""Dialects in which `(1,)` is a tuple."""

_CLAUSES = frozenset(
    (
        TokenType.FROM,
        TokenType.WHERE,
        TokenType.GROUP_BY,
        TokenType.HAVING,
        TokenType.ORDER_BY,
        TokenType.UNION,
        TokenType.EXCEPT,
        TokenType.INTERSECT,
        TokenType.SEMICOLON,
    )
)
_OPENING_BRACKETS = frozenset((TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE))
_CLOSING = frozenset((TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE))
_BEFORE_FIRST = _OPENING_BRACKETS | {TokenType.SELECT, TokenType.DISTINCT, TokenType.COMMA}
_ALLOWING = ", ".join(("duckdb", *COMMA_BEHIND_COLUMNS))


def fault(text: str, dialect: str) -> str:
    """Why the database refuses a statement; empty if it does not, or if that is not known.

    Args:
        dialect: sqlglot's name of it; "" if none is known.
    """
    if dialect == "sqlite":
        return _sqlite(text)
    if dialect == "duckdb":
        return _duckdb(text)
    return _commas(sqlglot.tokenize(text, read=dialect or None), dialect)


def _sqlite(text: str) -> str:
    """SQLite reads a statement to its end before it looks for tables: any other error is about the tables."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(f"EXPLAIN {text}")
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        reason = str(error)
        if any(part in reason for part in ("syntax error", "incomplete input", "unrecognized token")):
            return f"SQLite {sqlite3.sqlite_version}: {reason}"
    finally:
        connection.close()
    return ""


def _duckdb(text: str) -> str:
    import duckdb

    cursor = _connection().cursor()
    try:
        cursor.extract_statements(text)
    except duckdb.ParserException as error:
        return f"DuckDB {duckdb.__version__}: {(str(error).splitlines() or [''])[0]}"
    except duckdb.Error:
        return ""
    finally:
        cursor.close()
    return ""


@lru_cache(maxsize=1)
def _connection() -> DuckDBPyConnection:
    """A connection that never reads or writes a file, whatever the statement."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1, "enable_external_access": False})
    connection.execute("SET lock_configuration = true")
    return connection


def _commas(tokens: list[Token], dialect: str) -> str:
    """The first comma with nothing after it, or nothing before it."""
    clauses: list[TokenType | None] = [None]  # of each open bracket, the clause at hand
    for i, token in enumerate(tokens):
        kind = token.token_type
        if kind in _OPENING_BRACKETS:
            clauses.append(None)
        elif kind in _CLOSING and len(clauses) > 1:
            clauses.pop()
        elif kind in _CLAUSES or kind is TokenType.SELECT:
            clauses[-1] = kind
        if kind is TokenType.COMMA:
            before = tokens[i - 1].token_type if i else None
            after = tokens[i + 1].token_type if i + 1 < len(tokens) else None
            column = clauses[-1] is TokenType.SELECT
            if before is None or before in _BEFORE_FIRST:
                return f"nothing before the comma at character {token.start + 1}"
            ends = after is None or after in _CLAUSES or after in _CLOSING
            if ends and not (column and dialect in COMMA_BEHIND_COLUMNS) and dialect not in COMMA_ANYWHERE:
                allowing = f"; the dialects {_ALLOWING} allow it" if column else ""
                return f"nothing behind the comma at character {token.start + 1}{allowing}"
    return ""

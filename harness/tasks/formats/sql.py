"""One SQL statement, compared by its syntax tree."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from harness.core.kinds import knob
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Invalid, Parsed
from harness.tasks.formats import _extract, _sql_syntax
from harness.tasks.formats._conclusion import after_markers

MAX_CHARS = 10_000
"""Longer answers are refused unread."""
MAX_DEPTH = 20
"""Brackets within brackets: each costs the parser many frames of the stack."""
MAX_STARTS = 10
"""Number of words that may begin a statement to try before extraction gives up."""

# sqlglot logs a warning for each answer that it can only take as an unknown command.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_START = re.compile(r"\b(?:select|with|insert|update|delete|create|drop|alter|merge)\b", re.IGNORECASE)
_OPEN = "([{"
_BRACKET = re.compile(r"[][(){}]")
_TYPES = re.compile(r"\b(?:\w+\s*<\s*){2,}")
"""Types within types: ARRAY<ARRAY<…"""
_STATEMENTS = (exp.Query, exp.DML, exp.Create, exp.Drop, exp.Alter)


@dataclass(frozen=True, kw_only=True)
class Sql(Format):
    """The value is the statement as sqlglot writes it: letter case of keywords, spaces, comments and a
    final semicolon do not tell two statements apart. `dialect` is one of sqlglot's; "" is that of the task's
    database, and sqlglot's own where there is none. What the database refuses is invalid: SQLite and DuckDB are asked
    themselves."""

    paper = "sqlglot, https://github.com/tobymao/sqlglot"
    version = 3

    dialect: str = ""
    engine: str = knob(
        "", in_key=False, doc="sqlite or duckdb: the task's database, set when the task is read"
    )

    def __post_init__(self) -> None:
        sqlglot.Dialect.get_or_raise(self.dialect or None)

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(
            targets=(
                "SELECT 1",
                "SELECT a, COUNT(*) FROM t WHERE b = 'x;y' GROUP BY a",
                "DELETE FROM t",
            )
        )

    @property
    def sql_dialect(self) -> str:
        return self.dialect or self.engine

    def parse(self, text: str) -> Parsed | Invalid:
        fault = _too_large(text)
        if fault:
            return Invalid(fault)
        try:
            trees = [tree for tree in sqlglot.parse(text, read=self.sql_dialect or None) if tree is not None]
            if len(trees) != 1:
                return Invalid(f"one statement is wanted, not {len(trees)}")
            if not isinstance(trees[0], _STATEMENTS) or _bare(trees[0]):
                return Invalid(f"not a statement: '{text.strip()[:60]}'")
            if refusal := _sql_syntax.fault(text, self.sql_dialect):
                return Invalid(f"not SQL: {refusal}")
            return Parsed(trees[0].sql(dialect=self.sql_dialect or None, comments=False))
        except RecursionError:
            return Invalid("not SQL: nested too deeply")
        except (SqlglotError, ValueError, LookupError, TypeError, AttributeError) as error:
            return Invalid(f"not SQL: {(str(error).splitlines() or [''])[0][:200]}")

    def begun(self, text: str) -> bool:
        return bool(_START.search(text))

    def extract(self, text: str) -> Parsed | Invalid | None:
        """The last code fence that parses; else, after the last "the answer is" or anywhere, the first
        stretch that does, as long as possible."""
        fenced = _extract.last_valid(_extract.fences(text), self.parse)
        if fenced is not None:
            return fenced
        for stretch in (*after_markers(text), text):
            for part in _stretches(stretch):
                if isinstance(reading := self.parse(part), Parsed):
                    return reading
        return None


def _bare(tree: object) -> bool:
    """Whether it is the word SELECT alone, which sqlglot lets pass."""
    return isinstance(tree, exp.Select) and not tree.expressions


def _stretches(text: str) -> Iterator[str]:
    """From each word that may begin a statement: to the end, to a semicolon, to an empty line."""
    for count, start in enumerate(_START.finditer(text)):
        if count == MAX_STARTS:
            return
        rest = text[start.start() : start.start() + MAX_CHARS + 1]
        yield from dict.fromkeys((rest, rest.partition(";")[0], re.split(r"\n\s*\n", rest, maxsplit=1)[0]))


def _too_large(text: str) -> str:
    if len(text) > MAX_CHARS:
        return f"{len(text)} characters, at most {MAX_CHARS} are read"
    depth = deepest = 0
    for mark in _BRACKET.findall(text):
        depth += 1 if mark in _OPEN else -1
        deepest = max(deepest, depth)
    types = max((mark.count("<") for mark in _TYPES.findall(text)), default=0)
    deepest = max(deepest, types)
    return f"brackets nested {deepest} deep, at most {MAX_DEPTH} are read" if deepest > MAX_DEPTH else ""

"""Random queries over two small tables, written in as many ways as a dialect does not tell apart.

A query is drawn once as values (`draw`) and written several times (`Writer`): in another letter case, with `ASC`,
`INNER`, `OUTER`, parentheses, other names of tables, AND and OR in another order. `changed` makes another query of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

TABLES = {"person": ("id", "name", "age"), "visit": ("id", "person_id", "place", "cost")}
TEXTS = ("name", "place")
WORDS = ("Ann", "Bob", "Rome", "Oslo", "rome")


@dataclass(frozen=True)
class Column:
    table: int
    name: str


@dataclass(frozen=True)
class Test:
    """A comparison of a column with a value or a column; `AND`, `OR` and `NOT` join tests."""

    kind: str
    column: Column | None = None
    value: Column | str | None = None
    parts: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Query:
    tables: tuple[str, ...]
    join: str
    """"" for one table, else INNER, LEFT or CROSS."""
    on: Test | None
    columns: tuple[tuple[str, Column | None], ...]
    """Functions ("" for the column itself) and columns; None is `*`, in COUNT alone."""
    where: Test | None
    group: tuple[Column, ...]
    order: tuple[tuple[Column, str], ...]
    """Columns, each with "" or DESC."""
    distinct: bool
    limit: int | None
    within: Query | None = None
    """A query among whose values the first table's key must be."""

    @property
    def key(self) -> int | None:
        """The position of the column that the rows are ordered by, if there is one."""
        wanted = [("", column) for column, _ in self.order]
        return self.columns.index(wanted[0]) if wanted and wanted[0] in self.columns else None


def draw(rng: random.Random, *, nested: bool = True) -> Query:
    """One query."""
    tables = rng.choice(
        (("person",), ("visit",), ("person", "visit"), ("visit", "person"), ("person", "person"))
    )
    join = rng.choice(("INNER", "LEFT", "CROSS")) if len(tables) == 2 else ""
    grouped = rng.random() < 0.2
    group = tuple(_column(rng, tables) for _ in range(1)) if grouped else ()
    if grouped:
        counted = (rng.choice(("COUNT", "MIN", "MAX")), _column(rng, tables))
        columns = (("", group[0]), rng.choice((("COUNT", None), counted)))
    else:
        columns = tuple(
            (rng.choice(("", "", "", "LOWER")), _column(rng, tables)) for _ in range(rng.randint(1, 3))
        )
        columns = tuple((f if c.name in TEXTS else "", c) for f, c in columns)
    pool = group or tuple(column for _, column in columns if column)
    order = tuple((rng.choice(pool), rng.choice(("", "", "DESC"))) for _ in range(rng.randint(0, 1)))
    return Query(
        tables=tables,
        join=join,
        on=_test(rng, tables, 1, both=True) if join in ("INNER", "LEFT") else None,
        columns=columns,
        where=_test(rng, tables, 2) if rng.random() < 0.8 else None,
        group=group,
        order=order,
        distinct=not grouped and rng.random() < 0.2,
        limit=None,
        within=draw(rng, nested=False) if nested and not grouped and rng.random() < 0.25 else None,
    )


def changed(query: Query, rng: random.Random) -> Query:
    """A query that differs in one spot; its rows may happen to be the same."""
    options = [
        replace(query, join={"INNER": "LEFT", "LEFT": "INNER"}.get(query.join, query.join)),
        replace(query, distinct=not query.distinct and not query.group),
        replace(query, order=tuple((c, {"": "DESC"}.get(w, "")) for c, w in query.order)),
        replace(query, limit=1),
        replace(query, within=None),
        replace(query, columns=query.columns[::-1]),
    ]
    if query.where:
        options += [replace(query, where=_edited(query.where, query.tables, rng)) for _ in range(6)]
    for position, (function, column) in enumerate(query.columns):
        if column and not query.group and not query.order:
            moved = (function, _moved(column, query.tables))
            options += [
                replace(query, columns=(*query.columns[:position], moved, *query.columns[position + 1 :]))
            ]
    return rng.choice([one for one in options if one != query])


def _moved(column: Column, tables: Sequence[str]) -> Column:
    """The column of the same name of the other table."""
    other = len(tables) - 1 - column.table
    return replace(column, table=other) if column.name in TABLES[tables[other]] else column


_OTHER_KINDS = {"AND": "OR", "OR": "AND", "=": "<", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "<>": "="}
_OTHER_KINDS |= {"IS NULL": "IS NOT NULL", "IS NOT NULL": "IS NULL"}


def _edited(test: Test, tables: Sequence[str], rng: random.Random) -> Test:
    """The test with one part of it changed: negated, another comparison, a column of the other table."""
    if test.parts and rng.random() < 0.7:
        position = rng.randrange(len(test.parts))
        parts = list(test.parts)
        parts[position] = _edited(parts[position], tables, rng)
        return replace(test, parts=tuple(parts))
    if test.kind == "NOT":
        return test.parts[0]
    if test.column and rng.random() < 0.4:
        return replace(test, column=_moved(test.column, tables))
    if rng.random() < 0.4:
        return Test("NOT", parts=(test,))
    return replace(test, kind=_OTHER_KINDS[test.kind])


def _column(rng: random.Random, tables: Sequence[str]) -> Column:
    table = rng.randrange(len(tables))
    return Column(table, rng.choice(TABLES[tables[table]]))


def _test(rng: random.Random, tables: Sequence[str], depth: int, *, both: bool = False) -> Test:
    if both:
        first = Test("=", Column(0, _key(tables[0])), Column(1, _key(tables[1])))
        return first if rng.random() < 0.6 else Test("AND", parts=(first, _test(rng, tables, 0)))
    if depth and rng.random() < 0.6:
        kind = rng.choice(("AND", "OR", "NOT"))
        count = 1 if kind == "NOT" else rng.randint(2, 3)
        return Test(kind, parts=tuple(_test(rng, tables, depth - 1) for _ in range(count)))
    column = _column(rng, tables)
    if rng.random() < 0.15:
        return Test(rng.choice(("IS NULL", "IS NOT NULL")), column)
    value = f"'{rng.choice(WORDS)}'" if column.name in TEXTS else str(rng.randint(0, 3))
    return Test(rng.choice(("=", "<>", "<", "<=", ">", ">=")), column, value)


def _key(table: str) -> str:
    return "id" if table == "person" else "person_id"


class Writer:
    """Writes queries in one dialect, each time in another spelling.

    Args:
        plain: always the same, shortest spelling.
    """

    def __init__(self, rng: random.Random, dialect: str, *, plain: bool = False) -> None:
        self._rng, self._dialect, self._plain = rng, dialect, plain

    def text(self, query: Query, around: int = 0) -> str:
        """
        Args:
            around: how many queries are around it.
        """
        names = self._names(query.tables, around)
        lone = len(query.tables) == 1 and not around and query.within is None
        write = _Names(self, names, qualified=not lone or self._maybe())
        columns = ", ".join(self._result(*one, write) for one in query.columns)
        parts = [f"{self._word('SELECT')} {self._word('DISTINCT ') if query.distinct else ''}{columns}"]
        parts.append(f"{self._word('FROM')} {self._from(query, names, write)}")
        tests = [query.where] if query.where else []
        inner = query.within
        where = [self._test(test, write, loose=bool(inner)) for test in tests]
        if inner:
            sub = replace(inner, columns=(("", Column(0, _key(inner.tables[0]))),), group=(), order=())
            key = write.column(Column(0, _key(query.tables[0])))
            where.append(f"{key} {self._word('IN')} ({self.text(sub, around + 1)})")
            where = self._shuffled(where)
        if where:
            both = f" {self._word('AND')} "
            parts.append(f"{self._word('WHERE')} {both.join(where)}")
        if query.group:
            parts.append(f"{self._word('GROUP BY')} {', '.join(map(write.column, query.group))}")
        if query.order:
            parts.append(
                f"{self._word('ORDER BY')} {', '.join(self._ordered(*o, write) for o in query.order)}"
            )
        if query.limit is not None:
            parts.append(f"{self._word('LIMIT')} {query.limit}")
        return " ".join(parts) + (";" if not around and self._maybe() else "")

    def _maybe(self) -> bool:
        return not self._plain and self._rng.random() < 0.5

    def _word(self, text: str) -> str:
        return text.lower() if self._maybe() else text

    def _shuffled(self, parts: Sequence[str]) -> list[str]:
        return self._rng.sample(list(parts), len(parts)) if not self._plain else list(parts)

    def _names(self, tables: Sequence[str], around: int) -> list[str]:
        twice = len(set(tables)) < len(tables) or around
        if twice or self._maybe():
            letters = self._rng.sample("abcdefgh", 2) if not self._plain else ["a", "b"]
            return [f"{letter}{around}" for letter in letters[: len(tables)]]
        return list(tables)

    def _from(self, query: Query, names: Sequence[str], write: _Names) -> str:
        as_ = lambda: self._word(" AS ") if self._maybe() else " "  # noqa: E731
        tables = [
            name if name == table else f"{self.name(table)}{as_()}{name}"
            for table, name in zip(query.tables, names, strict=True)
        ]
        if not query.join:
            return tables[0]
        if query.join == "CROSS":
            return f"{tables[0]}{', ' if self._maybe() else self._word(' CROSS JOIN ')}{tables[1]}"
        word = {"INNER": ("JOIN", "INNER JOIN"), "LEFT": ("LEFT JOIN", "LEFT OUTER JOIN")}[query.join][
            self._maybe()
        ]
        assert query.on is not None
        return f"{tables[0]} {self._word(word)} {tables[1]} {self._word('ON')} {self._test(query.on, write)}"

    def name(self, text: str) -> str:
        """A table's or column's name, in the case and quotes that the dialect does not tell apart."""
        if self._maybe():
            return text.upper()
        return f'"{text}"' if self._dialect == "duckdb" and self._maybe() else text

    def _result(self, function: str, column: Column | None, write: _Names) -> str:
        text = "*" if column is None else write.column(column)
        text = f"{self._word(function)}({text})" if function else text
        return f"{text}{self._word(' AS ')}r{self._rng.randint(0, 9**9)}" if self._maybe() else text

    def _ordered(self, column: Column, way: str, write: _Names) -> str:
        return f"{write.column(column)}{self._word(f' {way}') if way else self._word(' ASC') if self._maybe() else ''}"

    def _test(self, test: Test, write: _Names, *, loose: bool = False) -> str:
        """
        Args:
            loose: stands beside an AND, so that it needs parentheses where it is an OR.
        """
        if test.kind in ("AND", "OR"):
            parts = [self._test(part, write, loose=True) for part in test.parts]
            text = f" {self._word(test.kind)} ".join(self._shuffled(parts))
            return f"({text})" if loose or self._maybe() else text
        if test.kind == "NOT":
            return f"{self._word('NOT')} ({self._test(test.parts[0], write)})"
        assert test.column is not None
        left = write.column(test.column)
        if test.value is None:
            text = f"{left} {self._word(test.kind)}"
        else:
            right = write.column(test.value) if isinstance(test.value, Column) else test.value
            sign = "!=" if test.kind == "<>" and self._maybe() else test.kind
            free = self._dialect != "sqlite" or not isinstance(test.value, Column)
            if free and self._maybe():
                left, right, sign = (
                    right,
                    left,
                    sign.translate(str.maketrans("<>", "><")) if sign != "<>" else sign,
                )
            text = f"{left} {sign} {right}"
        return f"({text})" if self._maybe() else text


class _Names:
    """Columns as one query calls them."""

    def __init__(self, writer: Writer, names: Sequence[str], *, qualified: bool) -> None:
        self._writer, self._names, self._qualified = writer, names, qualified

    def column(self, column: Column) -> str:
        name = self._writer.name(column.name)
        # SQLite reads "x" alone as a text where there is no such column.
        return f"{self._names[column.table]}.{name}" if self._qualified else name

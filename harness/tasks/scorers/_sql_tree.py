"""Whether two SQL statements are the same statement, by their syntax trees.

Spellings that a dialect does not distinguish are one statement: letter case, parentheses that change nothing,
`ASC`, `INNER`, `OUTER` beside a side, `<>` and `!=`, the order of what AND and OR join, the sides of `=`,
names of tables within the statement, names of result columns. Spellings that are equal only for known tables
are not: `SELECT *` and its columns, an unqualified column of two tables. sqlglot's optimizer is of no use
here: it raises without the tables. https://github.com/tobymao/sqlglot
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from harness.tasks.scorers._sql_names import rename


def same(first: str, second: str, dialect: str) -> bool:
    """Whether two statements are one.

    Args:
        dialect: sqlglot's name of the dialect that both are read in.
    """
    if first == second:
        return True
    form = normal_form(first, dialect)
    return form is not None and form == normal_form(second, dialect)


@lru_cache(maxsize=2000)
def normal_form(text: str, dialect: str) -> str | None:
    """A text that the spellings of one statement share; None if the statement cannot be read."""
    try:
        tree = sqlglot.parse_one(text, read=dialect or None)
        _fold_names(tree, dialect)
        tree = _without_parentheses(tree)
        for join in tree.find_all(exp.Join):
            _plain_join(join)
        rename(tree)
        return _Writer(dialect).text(tree)
    except (SqlglotError, RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _fold_names(tree: exp.Expr, dialect: str) -> None:
    """Names in the case that the dialect gives them.

    SQLite reads "x" as text if there is no such column, so there it is not another spelling of x.
    """
    rules = sqlglot.Dialect.get_or_raise(dialect or None)
    for name in list(tree.find_all(exp.Identifier)):
        if _maybe_text(name, dialect):
            name.set("this", f"?{name.this}")
        elif name.this.isascii():  # databases fold no other letters, or do not agree on them
            rules.normalize_identifier(name)
        name.set("quoted", True)


def _maybe_text(name: exp.Identifier, dialect: str) -> bool:
    column = name.parent
    return (
        dialect == "sqlite"
        and bool(name.args.get("quoted"))
        and isinstance(column, exp.Column)
        and not column.args.get("table")
    )


def _without_parentheses(tree: exp.Expr) -> exp.Expr:
    """The tree says what belongs together; `ORDER BY (1)` is left, which need not be the first column."""
    for paren in list(tree.find_all(exp.Paren)):
        if not (isinstance(paren.this, exp.Literal) and isinstance(paren.parent, exp.Ordered | exp.Group)):
            paren.replace(paren.this)
    for query in list(tree.find_all(exp.Subquery)):
        inner = query.this
        if any(value for key, value in query.args.items() if key != "this"):
            continue
        if query.parent is None:
            tree = inner.copy()
            return _without_parentheses(tree)
        nested = isinstance(query.parent, exp.Subquery) and not isinstance(query.parent.parent, exp.In)
        member = isinstance(query.parent, exp.SetOperation) and isinstance(inner, exp.Query)
        if nested or (
            member and not any(inner.args.get(key) for key in ("order", "limit", "offset", "with_"))
        ):
            query.replace(inner)
    return tree


def _plain_join(join: exp.Join) -> None:
    """INNER JOIN is JOIN, LEFT OUTER JOIN is LEFT JOIN; `a, b` is `a CROSS JOIN b` if no other join is beside
    it."""
    kind = join.args.get("kind")
    if kind == "INNER" or (kind == "OUTER" and join.args.get("side")):
        join.set("kind", None)
    siblings = join.parent.args.get("joins") or [] if join.parent else []
    if kind == "CROSS" and all(_unconditional(one) for one in siblings):
        join.set("kind", None)


def _unconditional(join: exp.Join) -> bool:
    conditions = any(join.args.get(key) for key in ("on", "using", "side", "method"))
    return not conditions and join.args.get("kind") in (None, "CROSS")


_MIRRORED: dict[type[exp.Binary], type[exp.Binary]] = {exp.GT: exp.LT, exp.GTE: exp.LTE}


class _Writer:
    """Writes a tree out whole, operands that may stand in any order sorted."""

    def __init__(self, dialect: str) -> None:
        self._collates_left = dialect == "sqlite"
        self._folds_functions = bool(sqlglot.Dialect.get_or_raise(dialect or None).NORMALIZE_FUNCTIONS)

    def text(self, node: object) -> str:
        if isinstance(node, exp.And | exp.Or):
            operands = sorted(self.text(part) for part in node.flatten(unnest=False))
            return f"{type(node).__name__}({','.join(operands)})"
        if isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
            return self._comparison(node)
        if isinstance(node, exp.Expr):
            return f"{type(node).__name__}({','.join(self._arguments(node))})"
        if isinstance(node, list | tuple):
            return f"[{','.join(map(self.text, node))}]"
        return repr(str(node)) if isinstance(node, str) else str(node)

    def _arguments(self, node: exp.Expr) -> Iterator[str]:
        for key, value in sorted(node.args.items()):
            if value is None or value is False or value == []:
                continue
            if (isinstance(node, exp.Anonymous) and key == "this" and self._folds_functions) or (
                isinstance(value, exp.Var) and (key == "unit" or isinstance(node, exp.Extract))
            ):
                value = str(value).upper()
            yield f"{key}={self.text(value)}"

    def _comparison(self, node: exp.Binary) -> str:
        """The sides of a comparison may change places. SQLite compares texts as the column on the left does."""
        kind: type[exp.Expr] = type(node)
        sides = [self.text(node.left), self.text(node.right)]
        free = not self._collates_left or any(isinstance(s, exp.Literal) for s in (node.left, node.right))
        if free and kind in _MIRRORED:
            kind, sides = _MIRRORED[kind], sides[::-1]
        elif free and kind in (exp.EQ, exp.NEQ):
            sides.sort()
        return f"{kind.__name__}({','.join(sides)})"

"""Names that a statement gives its own tables and result columns, replaced by their positions.

`SELECT a.x FROM t AS a`, `SELECT t.x FROM t` and `SELECT x FROM t` become one. If a name may mean something
else while the tables are unknown, all names are left unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

_OPAQUE = (exp.Lateral, exp.Unnest, exp.Pivot, exp.Lambda, exp.Dot, exp.Into, exp.MatchRecognize)
"""Parts that introduce names of their own."""
_SESSION = (
    "user",
    "current_user",
    "session_user",
    "system_user",
    "current_role",
    "current_catalog",
    "current_schema",
)
_CLOCK = (
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "sysdate",
    "systimestamp",
)
_FUNCTIONS = frozenset((*_SESSION, *_CLOCK, "rownum", "level"))
"""Functions that are called without parentheses, which are not columns of a table."""

Names = Mapping[str, str]
"""From a table's name in the statement to its position."""


class _AmbiguousError(Exception):
    """A name may mean two things."""


def rename(tree: exp.Expr) -> None:
    """Rename in place; identifiers are folded already."""
    if not isinstance(tree, exp.Query) or next(tree.find_all(*_OPAQUE), None) is not None:
        return
    for alias in list(tree.find_all(exp.Alias)):
        if _column_name(alias.this) == alias.alias:
            alias.replace(alias.this)
    try:
        changes = list(_renamed(tree, {}, 0))
    except _AmbiguousError:
        return
    for part, name in changes:
        _set_name(part, name)
    _unnamed_results(tree)


def _column_name(node: exp.Expr) -> str | None:
    return node.name if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star) else None


def _set_name(part: exp.Expr, name: str) -> None:
    if isinstance(part, exp.Column):
        part.set("table", exp.to_identifier(name, quoted=True))
        return
    columns = part.args["alias"].args.get("columns") if part.args.get("alias") else None
    part.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True), columns=columns))


def _renamed(query: exp.Expr, outer: Names, depth: int) -> Iterator[tuple[exp.Expr, str]]:
    """Tables and columns of a query with their new names.

    Args:
        outer: the names of the queries around it that it can see.
        depth: how many queries are around it.
    """
    for part in query.args["with_"].expressions if query.args.get("with_") else ():
        yield from _renamed(part.this, outer, depth + 1)
    if isinstance(query, exp.Subquery):
        yield from _renamed(query.this, outer, depth)
    elif isinstance(query, exp.SetOperation):
        for part in (query.this, query.expression):
            yield from _renamed(part, outer, depth)
        if any(column.table for key in ("order", "limit") for column in _columns(query.args.get(key))):
            raise _AmbiguousError
    elif isinstance(query, exp.Select):
        yield from _select(query, outer, depth)
    else:
        raise _AmbiguousError


def _select(select: exp.Select, outer: Names, depth: int) -> Iterator[tuple[exp.Expr, str]]:
    sources = [
        clause.this for clause in (select.args.get("from_"), *(select.args.get("joins") or [])) if clause
    ]
    own: dict[str, str] = {}
    for position, source in enumerate(sources):
        if isinstance(source, exp.Subquery):
            yield from _renamed(source.this, {}, depth + 1)
        elif not (isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier)):
            raise _AmbiguousError
        if source.alias_or_name in own:
            raise _AmbiguousError
        own[source.alias_or_name] = f"{depth}.{position}"
        yield source, own[source.alias_or_name]
    visible = {**outer, **own}
    only = next(iter(own.values())) if len(own) == 1 and not outer else None
    results = {alias.alias for alias in select.expressions if isinstance(alias, exp.Alias)}
    for column in _columns(select):
        if column.args.get("db") or (column.table and column.table not in visible):
            raise _AmbiguousError
        if column.table:
            yield column, visible[column.table]
        elif column.name in visible:
            raise _AmbiguousError  # the whole row
        elif only and column.name not in results and _of_table(column):
            yield column, only
    for inner in _queries(select):
        yield from _renamed(inner, visible, depth + 1)


def _of_table(column: exp.Column) -> bool:
    name = column.name
    return not isinstance(column.this, exp.Star) and name[:1] != "?" and name.lower() not in _FUNCTIONS


def _columns(node: exp.Expr | None) -> Iterator[exp.Column]:
    """The columns of a query that are in no query within it."""
    if node is None:
        return
    for part in node.iter_expressions():
        if isinstance(part, exp.Column):
            yield part
        elif not isinstance(part, exp.Query | exp.With):
            yield from _columns(part)


def _queries(node: exp.Expr) -> Iterator[exp.Expr]:
    """The queries within a query's expressions, but not its tables or those before it."""
    for part in node.iter_expressions():
        if isinstance(part, exp.Query):
            if not (isinstance(node, exp.From | exp.Join) and part is node.this):
                yield part
        elif not isinstance(part, exp.With):
            yield from _queries(part)


def _unnamed_results(tree: exp.Expr) -> None:
    """Rows have no names: names of result columns are dropped if nothing refers to them."""
    referred = _unqualified(tree)
    for select in tree.find_all(exp.Select):
        if not _is_value(select):
            continue
        # Without its new name a column could be taken for another one of its old name.
        taken = {name for key in _BY_RESULT if (part := select.args.get(key)) for name in _unqualified(part)}
        for alias in list(select.expressions):
            free = isinstance(alias, exp.Alias) and alias.alias not in referred
            if free and _column_name(alias.this) not in taken:
                alias.replace(alias.this)


_BY_RESULT = ("group", "having", "qualify", "order", "distinct", "windows")
"""Clauses that may name columns of the result."""


def _unqualified(part: exp.Expr) -> set[str]:
    return {column.name for column in part.find_all(exp.Column) if not column.table}


def _is_value(select: exp.Select) -> bool:
    """Whether only the rows of a query count: the whole statement, or a query within an expression."""
    around = select.parent
    if isinstance(around, exp.Subquery) and not around.alias:
        around = around.parent
        return not isinstance(around, exp.From | exp.Join | exp.CTE | exp.Query)
    return around is None or isinstance(around, exp.Exists)

"""Templates whose cost is bounded by their length and by their fields, so that they may be rendered in this process.

A template is a program, but most are plain: fields, conditions on them, a loop over one.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes

MOST_SOURCE = 500_000
"""Characters of a template."""
MOST_WIDTH = 16
"""Characters, columns or digits that an argument of a filter may ask for."""
PLAIN: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr),
    *(nodes.If, nodes.CondExpr, nodes.Test, nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand),
    *(nodes.Filter, nodes.For, nodes.Getitem, nodes.Assign, nodes.Concat, nodes.Add),
)
_GROWING: Final = (nodes.Concat, nodes.Add)
"""Each makes a text as long as its parts; a text that is kept and doubled repeatedly would grow without
limit."""
_FILTERS: Final = frozenset(
    ("abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "lower")
) | {"round", "string", "title", "tojson", "trim", "upper"}


_ANY_ARGUMENT: Final = frozenset(("d", "default"))
"""Filters that make nothing of their argument."""


@cache
def is_plain(source: str) -> bool:
    """Whether what a template costs is bounded by its length and by its fields: it makes no calls, sets no
    variables, nests no loops, and computes nothing but conditions."""
    tree = _parsed(source)
    return tree is not None and _plain(tree)


def is_small(node: nodes.Filter) -> bool:
    """Whether a filter makes nothing much larger than what it is given: its arguments may be widths, precisions and
    separators."""
    if node.name not in _FILTERS or node.dyn_args or node.dyn_kwargs:
        return False
    arguments = [*node.args, *(pair.value for pair in node.kwargs)]
    return node.name in _ANY_ARGUMENT or all(map(_is_short, arguments))


def _is_short(node: nodes.Node) -> bool:
    value = node.value if isinstance(node, nodes.Const) else None
    if isinstance(value, str):
        return len(value) <= MOST_WIDTH
    return isinstance(value, int) and abs(value) <= MOST_WIDTH


def _parsed(source: str) -> nodes.Template | None:
    """None if it is too long, or plain Jinja2 does not understand it."""
    if len(source) > MOST_SOURCE:
        return None
    try:
        return Environment(autoescape=False).parse(source)
    except (TemplateSyntaxError, RecursionError, MemoryError):
        return None


def _plain(tree: nodes.Template) -> bool:
    if any(tree.find_all(nodes.Assign)) and any(tree.find_all(_GROWING)):
        return False
    waiting: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while waiting:
        node, in_loop = waiting.pop()
        if not isinstance(node, PLAIN):
            return False
        if isinstance(node, nodes.Filter) and not is_small(node):
            return False
        if isinstance(node, nodes.For):
            # The source of a loop is a field, and `recursive` loops call themselves.
            if in_loop or node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr):
                return False
            in_loop = True
        waiting += [(child, in_loop) for child in node.iter_child_nodes()]
    return True

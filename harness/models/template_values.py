"""What the variables of a chat template hold, as far as its syntax tree says: the messages, one of them, or a text.

A parameter of a macro holds what its calls give it. Messages have a `role` and a `content`, both texts, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from jinja2 import nodes

_LISTS: Final = frozenset(("list", "reverse", "selectattr", "rejectattr", "trim"))
"""Filters that make a list of messages of one."""
_TEXTS: Final = frozenset(("trim", "upper", "lower", "capitalize", "title", "string"))
_TEXT_METHODS: Final = frozenset(("strip", "lstrip", "rstrip", "upper", "lower", "title", "capitalize"))
_OF_A_MESSAGE: Final = ("role", "content")
Kind = Literal["messages", "message", "text", "other"]


class Values:
    """What the names in a template stand for.

    Args:
        assigned: each name with an expression that it is set to somewhere.
        looped: each name with the expression that a loop takes it from somewhere.
        macros: names of macros, whose calls give texts.
    """

    scope: Mapping[str, Kind] = {}
    """What the parameters and the variables of loops hold in the part of the template that is looked at."""

    def __init__(
        self,
        assigned: Sequence[tuple[str, nodes.Node]],
        looped: Sequence[tuple[str, nodes.Node]],
        macros: frozenset[str],
    ) -> None:
        self._assigned, self._looped, self._macros = assigned, looped, macros

    def kind(self, node: nodes.Node) -> Kind:
        """What a value is for certain."""
        if self.is_messages(node):
            return "messages"
        if self._is_surely_message(node):
            return "message"
        return "text" if self.is_text(node) else "other"

    def is_messages(self, node: nodes.Node, visited: frozenset[str] = frozenset()) -> bool:
        """Whether a value is the messages, or some of them."""
        if isinstance(node, nodes.Filter) and node.name in _LISTS and node.node is not None:
            return self.is_messages(node.node, visited)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return self.is_messages(node.node, visited)
        if isinstance(node, nodes.CondExpr):
            parts = [node.expr1, node.expr2]
            return all(part is None or self.is_messages(part, visited) for part in parts)
        if not isinstance(node, nodes.Name):
            return False
        values = [value for name, value in self._assigned if name == node.name]
        if node.name in self.scope:
            return self.scope[node.name] == "messages" and not values
        if any(name == node.name for name, _ in self._looped):
            return False
        if node.name in visited or not values:
            return node.name in visited or node.name == "messages"
        return all(self.is_messages(value, visited | {node.name}) for value in values)

    def is_text(self, node: nodes.Node | None) -> bool:
        """Whether a value is a text for certain."""
        if isinstance(node, nodes.Const):
            return isinstance(node.value, str)
        if isinstance(node, nodes.Concat):
            return True
        if isinstance(node, nodes.Filter):
            return node.name in _TEXTS and self.is_text(node.node)
        if isinstance(node, nodes.Call):
            if isinstance(node.node, nodes.Name):
                return node.node.name in self._macros
            method = node.node
            return (
                isinstance(method, nodes.Getattr)
                and method.attr in _TEXT_METHODS
                and self.is_text(method.node)
            )
        if isinstance(node, nodes.Name):
            return self.scope.get(node.name) == "text" and not self._is_assigned(node.name)
        if not isinstance(node, nodes.Getattr | nodes.Getitem):
            return False
        return _field(node) in _OF_A_MESSAGE and self._is_surely_message(node.node)

    def is_absent(self, node: nodes.Node) -> bool:
        """Whether a value is a field that no message has, such as its tool calls."""
        name = _field(node)
        if not isinstance(name, str) or name in _OF_A_MESSAGE:
            return False
        return isinstance(node, nodes.Getattr | nodes.Getitem) and self._is_message(node.node)

    def truth(self, test: nodes.Node) -> bool | None:
        """The value that a condition always has; None if it depends on the input."""
        if isinstance(test, nodes.Test) and test.name == "string":
            return True if self.is_text(test.node) else None
        if isinstance(test, nodes.Not):
            inner = self.truth(test.node)
            return None if inner is None else not inner
        if isinstance(test, nodes.And | nodes.Or):
            sides = [self.truth(test.left), self.truth(test.right)]
            deciding = isinstance(test, nodes.Or)
            if deciding in sides:
                return deciding
            return None if None in sides else not deciding
        return None

    def _is_message(self, node: nodes.Node) -> bool:
        """Whether a value is one of the messages, or no object at all."""
        if isinstance(node, nodes.Getitem):
            return not isinstance(node.arg, nodes.Slice) and self.is_messages(node.node)
        if not isinstance(node, nodes.Name) or self._is_assigned(node.name):
            return False
        if node.name in self.scope:
            return self.scope[node.name] == "message"
        lists = [value for name, value in self._looped if name == node.name]
        return bool(lists) and all(map(self.is_messages, lists))

    def _is_surely_message(self, node: nodes.Node) -> bool:
        if not isinstance(node, nodes.Name) or self._is_assigned(node.name):
            return False
        return self.scope.get(node.name) == "message"

    def _is_assigned(self, name: str) -> bool:
        return any(known == name for known, _ in self._assigned)


def names(node: nodes.Node) -> list[str]:
    """The variables that a node mentions."""
    own = [node.name] if isinstance(node, nodes.Name) else []
    return [*own, *(one.name for one in node.find_all(nodes.Name))]


def targets(node: nodes.Node) -> list[str]:
    """The variables that are assigned to; of a namespace its own name."""
    own = [node.name] if isinstance(node, nodes.NSRef) else []
    return [*own, *names(node), *(one.name for one in node.find_all(nodes.NSRef))]


def plain_uses(node: nodes.Node) -> Iterator[str]:
    """The variables whose whole value is used below a node, as against one of its fields, or a call of it."""
    for child in node.iter_child_nodes():
        is_part = isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Call) and child is node.node
        if isinstance(child, nodes.Name) and not is_part and child.ctx == "load":
            yield child.name
        yield from plain_uses(child)


def _field(node: nodes.Node | None) -> object:
    """The name of the field that a node takes from a value; None if it takes none by name."""
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) else None

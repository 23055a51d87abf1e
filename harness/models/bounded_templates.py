"""Chat templates whose cost the syntax tree bounds, so that they may be rendered in this process.

Most models' templates are programs: they keep texts in variables, loop over messages, call methods of texts. What makes
a program of that kind expensive is growth: a text that is kept and joined to itself repeatedly, a width, a product, a
recursion. A template without any writes no more than its fields, as often as its loops go round.

Messages are known: each has a `role` and a `content`, both texts. A loop over anything else in a message makes no round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes

from harness.core import plain_templates

_COMPUTING: Final = (
    *(nodes.Call, nodes.Keyword, nodes.NSRef, nodes.Slice, nodes.Neg, nodes.Pos, nodes.Sub, nodes.Mod),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Break, nodes.Continue),
)
"""What these templates may hold beside what a plain template may."""
_BUILDING: Final = (nodes.Concat, nodes.Add, nodes.List, nodes.Tuple, nodes.Dict)
"""Each makes a value of several others."""
_METHODS: Final = frozenset(
    (
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "partition",
        "rpartition",
        "startswith",
        "endswith",
        "lower",
    )
) | {"upper", "title", "capitalize", "get", "keys", "values", "items", "isdigit"}
"""Methods whose value is no larger than the text or object that they are called on."""
_FILTERS: Final = frozenset(("list", "reverse", "selectattr", "rejectattr", "select", "reject", "items"))
_LISTS: Final = frozenset(("list", "reverse", "selectattr", "rejectattr", "trim"))
_COUNTS: Final = frozenset(("index", "index0", "revindex", "revindex0", "length"))
_OF_A_MESSAGE: Final = ("role", "content")


MOST_LOOPS = 4
"""Loops within one another."""
MOST_TEXTS = 1_000_000
"""Texts that a variable may hold, each as long as everything."""


class _UnboundedError(Exception):
    """Nothing bounds what a template costs."""


@dataclass(frozen=True)
class Loops:
    """Loops within one another: so many go through the messages, and so many through what may be as long as
    everything."""

    over_messages: int = 0
    over_texts: int = 0

    def within(self, through_messages: bool) -> Loops:
        """These loops with another one inside."""
        if self.over_messages + self.over_texts == MOST_LOOPS:
            raise _UnboundedError
        return Loops(self.over_messages + through_messages, self.over_texts + (not through_messages))

    def rounds(self, messages: int, size: int) -> int:
        """How often they go round."""
        return int(messages**self.over_messages * size**self.over_texts)


@dataclass(frozen=True)
class Term:
    """So many texts are written in each round."""

    texts: int
    loops: Loops


def written(template: str, characters: int, messages: int) -> int | None:
    """The most characters that a template can write; None if nothing bounds them.

    Args:
        characters: those of all messages.
        messages: their number.
    """
    terms = _terms(template)
    if terms is None:
        return None
    size = characters + len(template)
    return sum(term.texts * size * term.loops.rounds(messages, size) for term in terms)


@cache
def _terms(template: str) -> tuple[Term, ...] | None:
    if len(template) > plain_templates.MOST_SOURCE:
        return None
    try:
        tree = Environment(autoescape=False, extensions=["jinja2.ext.loopcontrols"]).parse(template)
        if not all(map(_is_known, tree.find_all(nodes.Node))):
            return None
        return tuple(_Program(tree).terms(tree, {}))
    except (_UnboundedError, TemplateSyntaxError, RecursionError, MemoryError):
        return None


class _Program:
    """What a template writes, and what it keeps in variables."""

    def __init__(self, tree: nodes.Template) -> None:
        self._assigned = [
            (name, node.node) for node in tree.find_all(nodes.Assign) for name in _targets(node.target)
        ]
        self._looped = [
            (name, node.iter) for node in tree.find_all(nodes.For) for name in _targets(node.target)
        ]
        self._namespaces = {ref.name for ref in tree.find_all(nodes.NSRef)}

    def terms(self, node: nodes.Node, sizes: dict[str, int], loops: Loops = Loops()) -> Iterator[Term]:
        """What is written within a node, which lies in so many loops.

        Args:
            sizes: how many texts each variable holds at most, up to here; changed by what the node assigns.

        Raises:
            _UnboundedError: nothing bounds it.
        """
        if isinstance(node, nodes.Output):
            yield Term(1 + sum(sizes.get(name, 1) for name in _names(node)), loops)
        elif isinstance(node, nodes.Assign):
            size = _size(node.node, sizes)
            for name in _targets(node.target):
                sizes[name] = max(size, sizes.get(name, 1))
        elif isinstance(node, nodes.For):
            yield from self._of_loop(node, sizes, loops)
        else:
            for child in node.iter_child_nodes():
                yield from self.terms(child, sizes, loops)

    def _of_loop(self, node: nodes.For, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        """What a loop writes. What is assigned in it is forgotten after each round, except in namespaces: what they
        hold must not grow from round to round."""
        if self._is_absent(node.iter):
            return
        inner = loops.within(self._is_messages(node.iter, frozenset()))
        # The rounds themselves cost, even of a loop that writes nothing.
        yield Term(1, inner)
        for _ in range(2):
            before = {name: sizes.get(name, 1) for name in self._namespaces}
            local = {**sizes, **dict.fromkeys(_targets(node.target), _size(node.iter, sizes))}
            for child in (*node.body, *node.else_):
                yield from self.terms(child, local, inner)
            sizes.update({name: local.get(name, 1) for name in self._namespaces})
            if all(sizes[name] == size for name, size in before.items()):
                return
        raise _UnboundedError

    def _is_messages(self, node: nodes.Node, visited: frozenset[str]) -> bool:
        """Whether a value is the messages, or some of them."""
        if isinstance(node, nodes.Filter) and node.name in _LISTS and node.node is not None:
            return self._is_messages(node.node, visited)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            return self._is_messages(node.node, visited)
        if isinstance(node, nodes.CondExpr):
            parts = [node.expr1, node.expr2]
            return all(part is None or self._is_messages(part, visited) for part in parts)
        if not isinstance(node, nodes.Name) or any(name == node.name for name, _ in self._looped):
            return False
        values = [value for name, value in self._assigned if name == node.name]
        if node.name in visited or not values:
            return node.name in visited or node.name == "messages"
        return all(self._is_messages(value, visited | {node.name}) for value in values)

    def _is_message(self, node: nodes.Node) -> bool:
        """Whether a value is one of the messages."""
        if isinstance(node, nodes.Getitem):
            return not isinstance(node.arg, nodes.Slice) and self._is_messages(node.node, frozenset())
        if not isinstance(node, nodes.Name) or any(name == node.name for name, _ in self._assigned):
            return False
        lists = [value for name, value in self._looped if name == node.name]
        return bool(lists) and all(self._is_messages(value, frozenset()) for value in lists)

    def _is_absent(self, node: nodes.Node) -> bool:
        """Whether a value is a field that no message has, such as its tool calls."""
        if isinstance(node, nodes.Getattr):
            name: object = node.attr
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
            name = node.arg.value
        else:
            return False
        return isinstance(name, str) and name not in _OF_A_MESSAGE and self._is_message(node.node)


def _is_known(node: nodes.Node) -> bool:
    """Whether a node computes nothing that could be large."""
    if isinstance(node, nodes.For):
        return not node.recursive
    if isinstance(node, nodes.Filter):
        constant = all(isinstance(one, nodes.Const) for one in node.args) and not node.kwargs
        return plain_templates.is_small(node) or (node.name in _FILTERS and constant and not node.dyn_args)
    if isinstance(node, nodes.Mod):
        return _is_count(node.left) and isinstance(node.right, nodes.Const)
    if isinstance(node, nodes.Call):
        return not (node.dyn_args or node.dyn_kwargs) and _is_small_call(node)
    return isinstance(node, (*plain_templates.PLAIN, *_COMPUTING))


def _is_small_call(node: nodes.Call) -> bool:
    if isinstance(node.node, nodes.Getattr):
        return node.node.attr in _METHODS
    return _is_call(node, "raise_exception") or (_is_call(node, "namespace") and not node.args)


def _is_call(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == name


def _is_count(node: nodes.Node) -> bool:
    """Whether a value is a number of rounds, of which a remainder can be taken; a text's would be a format."""
    if isinstance(node, nodes.Const):
        return isinstance(node.value, int)
    if isinstance(node, nodes.Add | nodes.Sub):
        return _is_count(node.left) and _is_count(node.right)
    if isinstance(node, nodes.Filter):
        return node.name in ("length", "count")
    if not isinstance(node, nodes.Getattr) or not isinstance(node.node, nodes.Name):
        return False
    return node.node.name == "loop" and node.attr in _COUNTS


def _size(value: nodes.Node, sizes: Mapping[str, int]) -> int:
    """How many texts a value holds at most."""
    held = [sizes.get(name, 1) for name in _names(value)]
    size = 1 + sum(held) if _builds(value) else max(held, default=1)
    if size > MOST_TEXTS:
        raise _UnboundedError
    return size


def _builds(value: nodes.Node) -> bool:
    """Whether a value is made of several others; adding a number makes none larger."""
    for node in (value, *value.find_all(_BUILDING)):
        counts = isinstance(node, nodes.Add) and any(
            isinstance(side, nodes.Const) and isinstance(side.value, int) for side in (node.left, node.right)
        )
        if isinstance(node, _BUILDING) and not counts and _names(node):
            return True
    return False


def _names(node: nodes.Node) -> list[str]:
    """The variables that a node mentions."""
    own = [node.name] if isinstance(node, nodes.Name) else []
    return [*own, *(one.name for one in node.find_all(nodes.Name))]


def _targets(node: nodes.Node) -> list[str]:
    """The variables that are assigned to; of a namespace its own name."""
    own = [node.name] if isinstance(node, nodes.NSRef) else []
    return [*own, *_names(node), *(one.name for one in node.find_all(nodes.NSRef))]

"""Chat templates whose cost the syntax tree bounds, so that they may be rendered in this process.

Most models' templates are programs: they keep texts in variables, loop over messages, call methods of texts. What makes
a program of that kind expensive is growth: a text that is kept and joined to itself repeatedly, a width, a product, a
recursion. A template without any writes no more than its fields, as often as its loops go round. A macro writes what its
body does, once for each call.

Messages are known: each has a `role` and a `content`, both texts. A loop over anything else in a message makes no round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, cast

from jinja2 import Environment, TemplateSyntaxError, nodes

from harness.core import plain_templates
from harness.models.template_terms import (
    Loops,
    Term,
    UnboundedError,
    is_call,
    require_distinct,
    require_own_namespaces,
)
from harness.models.template_values import Kind, Values, names, targets

_COMPUTING: Final = (
    *(nodes.Call, nodes.Keyword, nodes.NSRef, nodes.Slice, nodes.Neg, nodes.Pos, nodes.Sub, nodes.Mod),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Break, nodes.Continue, nodes.Macro),
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
_COUNTS: Final = frozenset(("index", "index0", "revindex", "revindex0", "length"))


MOST_NODES = 20_000
"""The most template nodes that are examined; a macro's count once per call."""
MOST_TEXTS = 1_000_000
"""Texts that a variable may hold, each as long as everything."""


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
        macros = frozenset(macro.name for macro in tree.find_all(nodes.Macro))
        if not all(_is_known(node, macros) for node in tree.find_all(nodes.Node)):
            return None
        return tuple(_Program(tree).terms(tree, {}, Loops()))
    except (UnboundedError, TemplateSyntaxError, RecursionError, MemoryError):
        return None


class _Program:
    """What a template writes, and what it keeps in variables."""

    def __init__(self, tree: nodes.Template) -> None:
        self._macros = {macro.name: macro for macro in tree.find_all(nodes.Macro)}
        looped = [(name, node.iter) for node in tree.find_all(nodes.For) for name in targets(node.target)]
        assigned = [
            (name, node.node) for node in tree.find_all(nodes.Assign) for name in targets(node.target)
        ]
        self._namespaces = {ref.name for ref in tree.find_all(nodes.NSRef)}
        require_distinct(tree, {name for name, _ in (*looped, *assigned)})
        require_own_namespaces(tree, self._namespaces)
        self._values = Values(assigned, looped, frozenset(self._macros))
        self._largest: dict[str, int] = {}
        """How many texts each variable holds at most, wherever it was set: a macro sees those outside its caller."""
        self._calls: tuple[str, ...] = ()
        self._left = MOST_NODES

    def terms(self, node: nodes.Node, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        """What is written within a node, which lies in so many loops.

        Args:
            sizes: how many texts each variable holds at most, up to here; changed by what the node assigns.

        Raises:
            UnboundedError: nothing bounds it.
        """
        self._left -= 1
        if self._left < 0:
            raise UnboundedError
        if isinstance(node, nodes.Output):
            yield Term(1 + sum(sizes.get(name, 1) for name in names(node)), loops)
            yield from self._of_children(node, sizes, loops)
        elif isinstance(node, nodes.Assign):
            calls, size = self._of_value(node.node, sizes, loops)
            yield from calls
            for name in targets(node.target):
                self._hold(sizes, name, size)
        elif isinstance(node, nodes.For):
            yield from self._of_loop(node, sizes, loops)
        elif isinstance(node, nodes.If):
            yield from self._of_branches(node, sizes, loops)
        elif self._is_macro(node):
            yield from self._of_call(cast(nodes.Call, node), sizes, loops)
        elif not isinstance(node, nodes.Macro):  # a definition writes nothing
            yield from self._of_children(node, sizes, loops)

    def _of_children(self, node: nodes.Node, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        for child in node.iter_child_nodes():
            yield from self.terms(child, sizes, loops)

    def _of_branches(self, node: nodes.If, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        """What a condition writes: none of the branches that are never taken, whatever the messages say."""
        for branch in (node, *node.elif_):
            yield from self.terms(branch.test, sizes, loops)
            truth = self._values.truth(branch.test)
            for child in () if truth is False else branch.body:
                yield from self.terms(child, sizes, loops)
            if truth is True:
                return
        for child in node.else_:
            yield from self.terms(child, sizes, loops)

    def _of_value(self, node: nodes.Node, sizes: dict[str, int], loops: Loops) -> tuple[list[Term], int]:
        """What the macros in an expression write, and how many texts its value holds at most."""
        calls = list(self.terms(node, sizes, loops))
        if any(term.loops != loops for term in calls):
            raise UnboundedError  # a text that is kept was written in a loop
        return calls, _size(node, sizes, sum(term.texts for term in calls))

    def _of_call(self, call: nodes.Call, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        """What a macro writes for these arguments."""
        name = cast(nodes.Name, call.node).name
        if name in self._calls:
            raise UnboundedError
        local, outside, callers = dict(self._largest), self._values.scope, self._calls
        scope: dict[str, Kind] = {argument.name: "other" for argument in self._macros[name].args}
        for parameter, value in self._arguments(call):
            calls, size = self._of_value(value, sizes, loops)
            yield from calls
            local[parameter], scope[parameter] = size, self._values.kind(value)
        yield Term(1, loops)
        self._calls, self._values.scope = (*callers, name), scope
        for child in self._macros[name].body:
            yield from self.terms(child, local, loops)
        self._calls, self._values.scope = callers, outside
        for space in self._namespaces & local.keys():
            self._hold(sizes, space, local[space])

    def _arguments(self, call: nodes.Call) -> Iterator[tuple[str, nodes.Node]]:
        """Each parameter of the macro that is called, with its argument and its default.

        Raises:
            UnboundedError: an argument for a parameter that the macro does not name.
        """
        macro = self._macros[cast(nodes.Name, call.node).name]
        parameters = [argument.name for argument in macro.args]
        given = [*zip(parameters, call.args, strict=False), *((pair.key, pair.value) for pair in call.kwargs)]
        if len(call.args) > len(parameters) or any(name not in parameters for name, _ in given):
            raise UnboundedError
        defaults = zip(reversed(parameters), reversed(macro.defaults), strict=False)
        yield from ((name, value) for name, value in defaults if name not in dict(given))
        yield from given

    def _hold(self, sizes: dict[str, int], name: str, size: int) -> None:
        sizes[name] = max(size, sizes.get(name, 1))
        self._largest[name] = max(size, self._largest.get(name, 1))

    def _is_macro(self, node: nodes.Node) -> bool:
        """Whether a node calls a macro."""
        return (
            isinstance(node, nodes.Call)
            and isinstance(node.node, nodes.Name)
            and node.node.name in self._macros
        )

    def _of_loop(self, node: nodes.For, sizes: dict[str, int], loops: Loops) -> Iterator[Term]:
        """What a loop writes. What is assigned in it is forgotten after each round, except in namespaces: what they
        hold must not grow from round to round."""
        if self._values.is_absent(node.iter):
            return
        calls, size = self._of_value(node.iter, sizes, loops)
        yield from calls
        is_messages, outside = self._values.is_messages(node.iter), self._values.scope
        inner = loops.within(is_messages, size)
        kind: Kind = "message" if is_messages and isinstance(node.target, nodes.Name) else "other"
        self._values.scope = {**outside, **dict.fromkeys(targets(node.target), kind)}
        # The rounds themselves cost, even of a loop that writes nothing.
        yield Term(1, inner)
        for _ in range(2):
            before = {name: sizes.get(name, 1) for name in self._namespaces}
            local = dict(sizes)
            for name in targets(node.target):
                self._hold(local, name, size)
                local[name] = size
            for child in (*([] if node.test is None else [node.test]), *node.body, *node.else_):
                yield from self.terms(child, local, inner)
            sizes.update({name: local.get(name, 1) for name in self._namespaces})
            if all(sizes[name] == size for name, size in before.items()):
                self._values.scope = outside
                return
        raise UnboundedError


def _is_known(node: nodes.Node, macros: frozenset[str]) -> bool:
    """Whether a node computes nothing that could be large, except in calls of these macros."""
    if isinstance(node, nodes.For):
        return not node.recursive
    if isinstance(node, nodes.Filter):
        constant = all(isinstance(one, nodes.Const) for one in node.args) and not node.kwargs
        return plain_templates.is_small(node) or (node.name in _FILTERS and constant and not node.dyn_args)
    if isinstance(node, nodes.Mod):
        return _is_count(node.left) and isinstance(node.right, nodes.Const)
    if isinstance(node, nodes.Call):
        return not (node.dyn_args or node.dyn_kwargs) and _is_small_call(node, macros)
    return isinstance(node, (*plain_templates.PLAIN, *_COMPUTING))


def _is_small_call(node: nodes.Call, macros: frozenset[str]) -> bool:
    if isinstance(node.node, nodes.Getattr):
        return node.node.attr in _METHODS
    if isinstance(node.node, nodes.Name) and node.node.name in macros:
        return True
    return is_call(node, "raise_exception") or (is_call(node, "namespace") and not node.args)


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


def _size(value: nodes.Node, sizes: Mapping[str, int], called: int) -> int:
    """How many texts a value holds at most, of which macros wrote so many."""
    held = [sizes.get(name, 1) for name in names(value)]
    size = called + (1 + sum(held) if _builds(value) else max(held, default=1))
    if size > MOST_TEXTS:
        raise UnboundedError
    return size


def _builds(value: nodes.Node) -> bool:
    """Whether a value is made of several others; adding a number makes none larger."""
    for node in (value, *value.find_all(_BUILDING)):
        counts = isinstance(node, nodes.Add) and any(
            isinstance(side, nodes.Const) and isinstance(side.value, int) for side in (node.left, node.right)
        )
        if isinstance(node, _BUILDING) and not counts and names(node):
            return True
    return False

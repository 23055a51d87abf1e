"""What a chat template costs, in terms that grow with the conversation, and what its names must be for that to be known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jinja2 import nodes

from harness.models.template_values import plain_uses, targets

MOST_LOOPS = 4
"""Loops within one another."""


class UnboundedError(Exception):
    """Nothing bounds what a template costs."""


@dataclass(frozen=True)
class Loops:
    """Loops within one another: so many go through the messages, and so many through what may be as long as
    everything."""

    over_messages: int = 0
    over_texts: int = 0
    texts: int = 1
    """As many times as long as everything is what they go through, multiplied."""

    def within(self, through_messages: bool, texts: int) -> Loops:
        """These loops with another one inside, which goes through the messages, or through so many texts."""
        if self.over_messages + self.over_texts == MOST_LOOPS:
            raise UnboundedError
        if through_messages:
            return replace(self, over_messages=self.over_messages + 1)
        return replace(self, over_texts=self.over_texts + 1, texts=self.texts * texts)

    def rounds(self, messages: int, size: int) -> int:
        """How often they go round."""
        return int(self.texts * messages**self.over_messages * size**self.over_texts)


@dataclass(frozen=True)
class Term:
    """So many texts are written in each round."""

    texts: int
    loops: Loops


def require_distinct(tree: nodes.Template, variables: set[str]) -> None:
    """Check that a macro's name always stands for that macro, and that macros take no arguments but those they name.

    Raises:
        UnboundedError: it might not.
    """
    macros = [macro.name for macro in tree.find_all(nodes.Macro)]
    if not macros:
        return
    mentioned = {*plain_uses(tree), *variables, *_parameters(tree)}
    hidden = {"varargs", "kwargs", "caller"} & {name.name for name in tree.find_all(nodes.Name)}
    if len(set(macros)) < len(macros) or mentioned & set(macros) or hidden:
        raise UnboundedError


def require_own_namespaces(tree: nodes.Template, namespaces: set[str]) -> None:
    """Check that each namespace has a single name, so that what is put into it is known.

    Raises:
        UnboundedError: it might have another one.
    """
    made = {
        name
        for node in tree.find_all(nodes.Assign)
        if is_call(node.node, "namespace")
        for name in targets(node.target)
    }
    elsewhere = [
        *(node.target for node in tree.find_all(nodes.For)),
        *(
            node.target
            for node in tree.find_all(nodes.Assign)
            if not (isinstance(node.target, nodes.NSRef) or is_call(node.node, "namespace"))
        ),
    ]
    otherwise = {name for target in elsewhere for name in targets(target)}
    calls = sum(is_call(call, "namespace") for call in tree.find_all(nodes.Call))
    direct = sum(is_call(node.node, "namespace") for node in tree.find_all(nodes.Assign))
    aliased = (made | namespaces) & {*plain_uses(tree), *otherwise, *_parameters(tree)}
    if aliased or namespaces - made or calls > direct:
        raise UnboundedError


def _parameters(tree: nodes.Template) -> set[str]:
    return {argument.name for macro in tree.find_all(nodes.Macro) for argument in macro.args}


def is_call(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == name

"""Beginnings of prompts whose keys and values are kept from one batch of requests to the next.

Recipes that ask the same weights about the same task begin their prompts alike: the plain prompt and the constrained
one are the same, and a prompt with examples begins with the same instructions. What one of them has computed is not
computed again for the next.

In float32 a prompt continues the longest beginning that is known. In 16 bits rounding depends on what is computed in
one pass, so only a whole beginning that was computed by itself counts: an answer is then the same, bit for bit, as
without this memory, whatever was asked before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.core.sequences import common_prefix_length
from harness.engines.hf.prefix_tree import Node

if TYPE_CHECKING:
    from torch import Tensor

MOST_TOKENS = 2048
"""Tokens of all beginnings together; those that were needed longest ago are forgotten. In the bundled model a token
takes 46 KB in float32."""
LEAST_TOKENS = 16
"""A shorter beginning is not worth continuing."""


class PrefixMemory:
    """Beginnings that one network has computed, and whether it can share them at all (None: not tried yet). Whoever
    changes its weights must call `clear`."""

    def __init__(self) -> None:
        self.shares: bool | None = None
        self._known: list[Node] = []
        self._bitwise = self._alone = False

    def recall(self, roots: Sequence[Node], *, bitwise: bool) -> None:
        """Give the roots of a prefix tree what is known of them.

        Args:
            roots: nodes without one above them, not computed yet.
            bitwise: whether answers must not depend on what was computed before, as in 16 bits.
        """
        self._bitwise, self._alone = bitwise, len(roots) == 1
        for root in roots:
            known = max(
                self._known, key=lambda one: common_prefix_length(one.tokens, root.tokens), default=None
            )
            shared = 0 if known is None else common_prefix_length(known.tokens, root.tokens)
            if known is None or shared < LEAST_TOKENS:
                continue
            whole = shared == len(root.tokens)
            if bitwise and not (self._alone and whole and shared == len(known.tokens)):
                continue
            begun = _cut(known, shared)
            if whole:
                root.keys, root.values = begun.keys, begun.values
            else:
                root.begun = begun
            self._newest(known)

    def keep(self, roots: Iterable[Node]) -> None:
        """Remember computed roots of the tree that `recall` was called with."""
        if self._bitwise and not self._alone:
            return
        for root in roots:
            if root.keys and len(root.tokens) <= MOST_TOKENS and not self._knows(root):
                self._known.append(_cut(root, len(root.tokens)))
        while sum(len(node.tokens) for node in self._known) > MOST_TOKENS:
            del self._known[0]

    def clear(self) -> None:
        """Forget everything."""
        self._known = []

    def _knows(self, root: Node) -> bool:
        return any(
            root.tokens == (known.tokens if self._bitwise else known.tokens[: len(root.tokens)])
            for known in self._known
        )

    def _newest(self, node: Node) -> None:
        self._known.remove(node)
        self._known.append(node)


def _cut(node: Node, length: int) -> Node:
    """The first `length` tokens of a root, as a node by itself."""

    def part(states: dict[int, Tensor]) -> dict[int, Tensor]:
        return {layer: state[:, :length].contiguous() for layer, state in states.items()}

    return Node(
        tokens=node.tokens[:length],
        start=0,
        parent=None,
        rows=1,
        keys=part(node.keys),
        values=part(node.values),
    )

"""The prefixes that a set of token sequences share, as a tree.

Few-shot prompts share their instructions and shots, retrieval prompts their instructions, continuations of
one question the question. Each node is a segment of tokens that all sequences below it have at the same
positions; the rest of a sequence is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.core.sequences import common_prefix_length

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(eq=False)
class Node:
    """A shared segment: `tokens` at positions `start` … `end - 1`, after those of `parent`.

    `rows` counts the sequences below it, `waiting` those that still need it. `keys` and `values`
    hold one tensor [key-value heads, tokens, head size] by layer once they are computed. While rows are
    decoded, the keys of a node `in_place` are read once for all rows below it, and those of another from
    a copy in each row's own room: a product of its own for every node costs more than to read a few copies.
    `begun` is a computed node that this one begins with: only the rest is left to compute.
    """

    tokens: tuple[int, ...]
    start: int
    parent: Node | None
    rows: int
    waiting: int = 0
    in_place: bool = True
    begun: Node | None = None
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.start + len(self.tokens)

    def chain(self) -> list[Node]:
        """The nodes from the root down to this one."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    def in_place_part(self) -> Node | None:
        """The deepest node down to here that is read in place; those above it are, too."""
        return next((node for node in reversed(self.chain()) if node.in_place), None)

    def copied_part(self) -> list[Node]:
        """The nodes below that one, from the top down."""
        return [node for node in self.chain() if not node.in_place]

    def rest(self) -> Piece:
        """What is to be computed of it."""
        if self.begun is None:
            return Piece(self.tokens, self.start, self.parent)
        return Piece(self.tokens[len(self.begun.tokens) :], self.begun.end, self.begun)

    def release(self) -> None:
        """One sequence is done: stretches that no other still needs are freed, up to the root."""
        for node in self.chain():
            node.waiting -= 1
            if node.waiting == 0:
                node.keys, node.values = {}, {}


@dataclass(frozen=True)
class Piece:
    """Tokens to compute: the first stands at position `start`, after the nodes down to `above`."""

    tokens: Sequence[int]
    start: int
    above: Node | None


@dataclass(frozen=True)
class PrefixPlan:
    """`leaf[i]` is the deepest node of sequence i (None: it shares nothing worth it). `order`
    lists the sequences so that those of one node are neighbors, long ones first."""

    leaf: tuple[Node | None, ...]
    order: tuple[int, ...]

    @property
    def roots(self) -> tuple[Node, ...]:
        """The nodes without one above them."""
        return tuple(dict.fromkeys(node.chain()[0] for node in self.leaf if node is not None))


def plan(
    sequences: Sequence[Sequence[int]], limits: Sequence[int], min_saved: int, min_read: int = 0
) -> PrefixPlan:
    """The prefix tree of `sequences`, of which at most `limits[i]` tokens may be shared.

    A node is made where it saves computing at least `min_saved` tokens. It is read in place if its rows
    together would otherwise read at least `min_read` tokens, or if one below it is.
    """
    names = sorted(range(len(sequences)), key=lambda i: list(sequences[i]))
    common = [0] + [
        min(common_prefix_length(sequences[a], sequences[b]), limits[a], limits[b])
        for a, b in pairwise(names)
    ]
    leaf: list[Node | None] = [None] * len(sequences)
    nodes: list[Node] = []
    # Ranges of neighbors still to be split, with the node above them. An explicit stack, because
    # the tree can be as deep as the sequences are many.
    stack: list[tuple[int, int, Node | None]] = [(0, len(names), None)] if names else []
    while stack:
        low, high, node = stack.pop()
        if high - low == 1:
            leaf[names[low]] = node
            continue
        shared = min(common[low + 1 : high])
        start = 0 if node is None else node.end
        if (shared - start) * (high - low - 1) >= min_saved:
            tokens = tuple(sequences[names[low]][start:shared])
            node = Node(tokens=tokens, start=start, parent=node, rows=high - low, waiting=high - low)
            nodes.append(node)
        cuts = [low, *(i for i in range(low + 1, high) if common[i] == shared), high]
        stack.extend((a, b, node) for a, b in pairwise(cuts))
    _decide_reading(nodes, min_read)
    return PrefixPlan(leaf=tuple(leaf), order=_order(sequences, names, leaf))


def _decide_reading(nodes: Sequence[Node], min_read: int) -> None:
    """Set `in_place` of all nodes, of which parents come before their children."""
    for node in nodes:
        node.in_place = node.rows * len(node.tokens) >= min_read
    for node in reversed(nodes):
        if node.in_place and node.parent is not None:
            node.parent.in_place = True


def _order(sequences: Sequence[Sequence[int]], names: list[int], leaf: list[Node | None]) -> tuple[int, ...]:
    """Subtrees stay together (their first place in sorted order names them); within a node's own
    rows the longest come first, so that neighbors are alike in length."""
    paths: dict[int, tuple[int, ...]] = {}
    visits: dict[Node, int] = {}
    for index, i in enumerate(names):
        deepest = leaf[i]
        chain = [] if deepest is None else deepest.chain()
        paths[i] = tuple(visits.setdefault(node, index) for node in chain)
    return tuple(sorted(range(len(sequences)), key=lambda i: (paths[i], -len(sequences[i]), i)))

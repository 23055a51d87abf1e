"""Seeded splits: stratified by label, with duplicates and groups on one side.

Order comes from a hash of seed and text, not from a random generator, so that the same rows split the
same way on any machine and a few added rows move few others.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json
from harness.core.values import Example


@dataclass(frozen=True, kw_only=True)
class Item:
    """What splitting needs to know of a row. `ties`: rows that share any of these stay together."""

    text: str
    label: str
    ties: tuple[Hashable, ...] = ()


def normalise(text: str) -> str:
    """Text with case, Unicode form and spacing made equal: two such texts are duplicates."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def items(examples: Sequence[Example]) -> list[Item]:
    """What splitting needs to know of examples; targets are labels where they are few."""
    labels = [canonical_json(example.target) for example in examples]
    few = len(set(labels)) <= len(labels) / 5
    return [
        Item(
            text=_question(example),
            label=label if few else "",
            ties=() if example.group is None else (("group", example.group),),
        )
        for example, label in zip(examples, labels, strict=True)
    ]


def _question(example: Example) -> str:
    fields = canonical_json({name: _folded(value) for name, value in example.input.items()})
    return "\n".join([*(normalise(turn.content) for turn in example.turns), fields])


def _folded(value: JsonValue) -> JsonValue:
    return normalise(value) if isinstance(value, str) else value


def cut(items: Sequence[Item], sizes: Mapping[str, int], seed: int = 0) -> dict[str, list[int]]:
    """Positions of the rows of each split in `sizes`; the rest is `train`.

    Splits are filled in the order given, each to its size or a little over where rows belong
    together. Every split, and every first part of it, has the labels in proportion, as far as whole
    rows allow.

    Raises:
        ConfigError: `sizes` leave no row to `train`.
    """
    if sum(sizes.values()) >= len(items):
        wanted = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ConfigError(
            f"{len(items)} rows are too few for {wanted} and a train split", remedy="ask for less"
        )
    splits: dict[str, list[int]] = {name: [] for name in (*sizes, "train")}
    for unit in _ordered(_units(items), items, seed):
        name = next((name for name, size in sizes.items() if len(splits[name]) < size), "train")
        splits[name].extend(unit)
    if not splits["train"]:
        raise ConfigError("too many rows belong together to leave any for train", remedy="ask for less")
    return splits


def sample(items: Sequence[Item], size: int, seed: int = 0) -> list[int]:
    """Positions of at most `size` rows with the labels in proportion, in an order without runs of one."""
    return [row for unit in _ordered(_units(items), items, seed) for row in unit][:size]


def spread(items: Sequence[Item], seed: int = 0) -> list[list[int]]:
    """Positions of all rows in units that share a tie, such that every stretch of units has the labels in
    proportion. Copies of a text are units of their own: only `ties` keep rows together."""
    return _ordered(_units(items, copies=False), items, seed)


def count(share: float | int, total: int) -> int:
    """Rows that a share (0.1) or a number (200) of `total` comes to; at least one."""
    return share if isinstance(share, int) else max(1, round(share * total))


def _units(items: Sequence[Item], *, copies: bool = True) -> list[list[int]]:
    """Rows that must stay together: a tie in common (joined transitively) or, with `copies`, equal text."""
    parent = list(range(len(items)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    owner: dict[Hashable, int] = {}
    for row, item in enumerate(items):
        for tie in (normalise(item.text), *item.ties) if copies else item.ties:
            parent[root(row)] = root(owner.setdefault(tie, row))
    units: dict[int, list[int]] = defaultdict(list)
    for row in range(len(items)):
        units[root(row)].append(row)
    return list(units.values())


def _ordered(units: list[list[int]], items: Sequence[Item], seed: int) -> list[list[int]]:
    """Units such that any stretch of them has the labels in proportion (systematic sampling)."""
    strata: dict[str, list[tuple[str, list[int]]]] = defaultdict(list)
    for unit in units:
        label = Counter(items[row].label for row in unit).most_common(1)[0][0]
        strata[label].append((_hash(seed, normalise(items[unit[0]].text)), unit))
    placed = []
    for label, members in strata.items():
        members.sort()
        offset = int(_hash(seed, label)[:12], 16) / 16**12
        placed += [((i + offset) / len(members), mark, unit) for i, (mark, unit) in enumerate(members)]
    return [unit for _, _, unit in sorted(placed)]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()

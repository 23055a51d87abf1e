"""Seeded splits: stratified by label, with duplicates and groups on one side.

Order comes from a hash of seed and text, not from a random generator, so that the same rows split the
same way on any machine and adding a few rows moves few others.
"""

from __future__ import annotations

import contextlib
import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import overload

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.core.keys import canonical_json
from harness.core.values import Example
from harness.tasks import templates
from harness.tasks.same_text import as_asked, same_fields, same_text

MARK = 16
"""Bytes that stand for a text."""
LABELS = 0.2
"""Targets are labels if at most this share of them differ."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """What splitting needs to know of a row. `ties`: rows that share any of these stay together."""

    text: str
    label: str
    ties: tuple[Hashable, ...] = ()


class Items(Sequence[Item]):
    """The items of examples, made when they are asked for: those of a million rows take as much memory as the
    rows. A mark of 16 bytes stands for each text.

    Args:
        template: the user message, if the task file gives one: examples that it shows alike stay together,
            even if fields that it does not show differ.
        marks: the marks of these examples by seed, if they are known.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        template: str | None = None,
        marks: Mapping[int, list[bytes]] = MappingProxyType({}),
    ) -> None:
        self._examples, self._template, self._marks = examples, template, dict(marks)
        self.labels = _labels(examples)

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, row: int) -> Item: ...
    @overload
    def __getitem__(self, row: slice) -> list[Item]: ...
    def __getitem__(self, row: int | slice) -> Item | list[Item]:
        if isinstance(row, slice):
            return [self[one] for one in range(*row.indices(len(self)))]
        example = self._examples[row]
        return Item(text=same_fields(example), label=self.labels[row], ties=self.ties(row))

    def ties(self, row: int) -> tuple[Hashable, ...]:
        """What ties a row to others, besides its text."""
        example = self._examples[row]
        ties: list[Hashable] = [] if example.group is None else [("group", example.group)]
        if self._template:
            with contextlib.suppress(ConfigError):  # reported, with its line, when the template is checked
                asked = as_asked(example, templates.render(self._template, example.input))
                ties.append(("asked", _mark(0, asked)))
        return tuple(ties)

    @property
    def tying(self) -> Callable[[int], tuple[Hashable, ...]]:
        """`ties`, or quickly none where nothing ties any row."""
        tied = bool(self._template) or any(example.group is not None for example in self._examples)
        return self.ties if tied else lambda _: ()

    def marks(self, seed: int) -> list[bytes]:
        """What orders the rows: equal for equal texts, and in no order otherwise."""
        if seed not in self._marks:
            self._marks[seed] = [_mark(seed, same_text(same_fields(example))) for example in self._examples]
        return self._marks[seed]

    def of(self, rows: Sequence[int]) -> Items:
        """The items of some of the rows, as if there were no others."""
        marks = {seed: [marks[row] for row in rows] for seed, marks in self._marks.items()}
        return Items([self._examples[row] for row in rows], self._template, marks)


def items(examples: Sequence[Example], template: str | None = None) -> Items:
    """What splitting needs to know of examples; targets are labels if few values occur.

    Args:
        template: as in `Items`.
    """
    return Items(examples, template)


def _labels(examples: Sequence[Example]) -> list[str]:
    """The targets as labels, each text kept once; empty texts if too many differ."""
    known: dict[str, str] = {}
    labels = []
    for example in examples:
        label = canonical_json(example.target)
        labels.append(known.setdefault(label, label))
        if len(known) > LABELS * len(examples):
            return [""] * len(examples)
    return labels


def cut(items: Sequence[Item], sizes: Mapping[str, int], seed: int = 0) -> dict[str, list[int]]:
    """Positions of the rows of each split in `sizes`; the rest is `train`.

    Splits are filled in the order given, each to its size or a little over if rows belong together. Every
    split, and every first part of it, has the labels in proportion, as far as whole rows allow.

    Raises:
        ConfigError: `sizes` leave no row for `train`, or rows that belong together leave a split without any.
    """
    names = (*sizes, "train")
    if sum(sizes.values()) >= len(items):
        raise _too_few(len(items), sizes)
    units = _ordered(_units(items, seed), items, seed)
    if len(units) < len(names):
        raise ConfigError(
            f"rows with the same input or group belong together, and these {len(items):,} rows are "
            f"{len(units)} such {'part' if len(units) == 1 else 'parts'}: {_listed(names)} need at least {len(names)}",
            remedy="add rows with other inputs, or group by another column",
        )
    splits: dict[str, list[int]] = {name: [] for name in names}
    for index, unit in enumerate(units):
        empty = [name for name in names if not splits[name]]
        unfilled = next((name for name, size in sizes.items() if len(splits[name]) < size), "train")
        # The last units go to the splits that have none yet, however large the earlier ones were.
        splits[empty[0] if len(units) - index <= len(empty) else unfilled].extend(unit)
    return splits


FEW_OF_A_LABEL = 2
"""Rows of a label that train keeps even when others are exchanged for a rarer label."""


def with_every_label_in_train(
    items: Sequence[Item], parts: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    """The splits with rows exchanged, so that train has the labels that occur in one row only: in dev or test
    they teach nothing.

    Rows that are tied to others are not moved.
    """
    labels = _labels_of(items)
    counts = Counter(labels[row] for row in parts["train"])
    held_out = [row for name, part in parts.items() if name != "train" for row in part]
    if all(counts[labels[row]] for row in held_out):
        return {name: list(part) for name, part in parts.items()}
    marks = _marks(items, 0)
    texts = Counter(marks[row] for part in parts.values() for row in part)

    def alone(row: int) -> bool:
        return not items[row].ties and texts[marks[row]] == 1

    common = [row for row in parts["train"] if alone(row)]
    exchanged: dict[int, int] = {}
    for name, part in parts.items():
        rare = [row for row in part if not counts[labels[row]] and alone(row)] if name != "train" else []
        for row in rare:
            while common and counts[labels[common[-1]]] <= FEW_OF_A_LABEL:
                common.pop()
            if common:
                other = common.pop()
                counts[labels[other]] -= 1
                exchanged |= {row: other, other: row}
    return {name: [exchanged.get(row, row) for row in part] for name, part in parts.items()}


def _too_few(rows: int, sizes: Mapping[str, int]) -> ConfigError:
    """The error that rows are too few for splits of these sizes, with the number needed."""
    too_few = f"{counted(rows, 'row is', 'rows are')} too few"
    names = (*sizes, "train")
    if rows < len(names):
        return ConfigError(
            f"{too_few}: {_listed(names)} need at least {len(names)}", remedy="add labeled rows"
        )
    wanted = ", ".join(f"{size:,} for {name}" for name, size in sizes.items())
    needed = sum(sizes.values()) + 1
    remedy = f"add labeled rows, or ask for at most {rows - 1:,} in {' and '.join(sizes)}"
    return ConfigError(f"{too_few}: {wanted} and one for train need at least {needed:,}", remedy=remedy)


def _listed(names: Sequence[str]) -> str:
    """ "train, dev and test", in the usual order."""
    order = [name for name in ("train", "dev", "test") if name in names]
    return f"{', '.join(order[:-1])} and {order[-1]}"


def sample(items: Sequence[Item], size: int, seed: int = 0) -> list[int]:
    """Positions of at most `size` rows with the labels in proportion, in an order without runs of one."""
    return [row for unit in _ordered(_units(items, seed), items, seed) for row in unit][:size]


def spread(items: Sequence[Item], seed: int = 0) -> list[list[int]]:
    """Positions of all rows in units that share a tie, such that every stretch of units has the labels in
    proportion. Copies of a text are units of their own: only `ties` keep rows together."""
    return _ordered(_units(items, seed, copies=False), items, seed)


def count(share: float | int, total: int) -> int:
    """Rows that a share (0.1) or a number (200) of `total` comes to; at least one."""
    return share if isinstance(share, int) else max(1, round(share * total))


def _units(items: Sequence[Item], seed: int, *, copies: bool = True) -> list[list[int]]:
    """Rows that must stay together: a tie in common (joined transitively) or, with `copies`, equal text."""
    parent = array("l", range(len(items)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    owner: dict[Hashable, int] = {}
    marks = _marks(items, seed) if copies else []
    ties = items.tying if isinstance(items, Items) else lambda row: items[row].ties
    for row in range(len(items)):
        own = ties(row)
        for tie in (marks[row], *own) if copies else own:
            other = owner.setdefault(tie, row)
            if other != row:
                parent[root(row)] = root(other)
    del owner
    sizes = array("l", bytes(parent.itemsize * len(items)))
    for row in range(len(items)):
        sizes[root(row)] += 1
    units: list[list[int]] = []
    together: dict[int, list[int]] = {}
    for row in range(len(items)):
        first = root(row)
        if first in together:
            together[first].append(row)
            continue
        units.append([row])
        if sizes[first] > 1:
            together[first] = units[-1]
    return units


def _ordered(units: list[list[int]], items: Sequence[Item], seed: int) -> list[list[int]]:
    """Units, given in the order of their first rows, such that any stretch of them has the labels in
    proportion (systematic sampling)."""
    marks, labels = _marks(items, seed), _labels_of(items)
    # Sorting keeps the order of equals: places, then marks, then rows decide.
    units = sorted(units, key=lambda unit: marks[unit[0]])
    strata = [_label(unit, labels) for unit in units]
    sizes, counts = Counter(strata), Counter[str]()
    offsets = {label: int(_hash(seed, label)[:6].hex(), 16) / 16**12 for label in sizes}
    places = array("d")
    for label in strata:
        places.append((counts[label] + offsets[label]) / sizes[label])
        counts[label] += 1
    return [units[number] for number in sorted(range(len(units)), key=places.__getitem__)]


def _label(unit: list[int], labels: Sequence[str]) -> str:
    """The label of most of a unit's rows."""
    return Counter(labels[row] for row in unit).most_common(1)[0][0] if len(unit) > 1 else labels[unit[0]]


def _marks(items: Sequence[Item], seed: int) -> list[bytes]:
    if isinstance(items, Items):
        return items.marks(seed)
    return [_mark(seed, same_text(item.text)) for item in items]


def _labels_of(items: Sequence[Item]) -> list[str]:
    return items.labels if isinstance(items, Items) else [item.label for item in items]


def _mark(seed: int, text: str) -> bytes:
    return _hash(seed, text)[:MARK]


def _hash(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}:{text}".encode()).digest()

"""Seeded splits: stratified by label, with duplicates and groups on one side.

Order comes from a hash of seed and text, not from a random generator, so that the same rows split the
same way on any machine and adding a few rows moves few others.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.core.keys import canonical_json
from harness.core.values import Example
from harness.tasks import templates
from harness.tasks.same_text import as_asked, same_fields, same_text


@dataclass(frozen=True, kw_only=True)
class Item:
    """What splitting needs to know of a row. `ties`: rows that share any of these stay together."""

    text: str
    label: str
    ties: tuple[Hashable, ...] = ()


def items(examples: Sequence[Example], template: str | None = None) -> list[Item]:
    """What splitting needs to know of examples; targets are labels if few values occur.

    Args:
        template: the user message, if the task file gives one: examples that it shows alike stay together,
            even if fields that it does not show differ.
    """
    labels = [canonical_json(example.target) for example in examples]
    few = len(set(labels)) <= len(labels) / 5
    return [
        Item(
            text=same_fields(example),
            label=label if few else "",
            ties=_ties(example, template),
        )
        for example, label in zip(examples, labels, strict=True)
    ]


def _ties(example: Example, template: str | None) -> tuple[Hashable, ...]:
    ties: list[Hashable] = [] if example.group is None else [("group", example.group)]
    if template:
        with contextlib.suppress(ConfigError):  # reported, with its line, when the template is checked
            ties.append(("asked", as_asked(example, templates.render(template, example.input))))
    return tuple(ties)


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
    units = _ordered(_units(items), items, seed)
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
    texts = Counter(same_text(items[row].text) for part in parts.values() for row in part)
    labels = Counter(items[row].label for row in parts["train"])

    def alone(row: int) -> bool:
        return not items[row].ties and texts[same_text(items[row].text)] == 1

    common = [row for row in parts["train"] if alone(row)]
    exchanged: dict[int, int] = {}
    for name, part in parts.items():
        rare = [row for row in part if not labels[items[row].label] and alone(row)] if name != "train" else []
        for row in rare:
            while common and labels[items[common[-1]].label] <= FEW_OF_A_LABEL:
                common.pop()
            if common:
                other = common.pop()
                labels[items[other].label] -= 1
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
        for tie in (same_text(item.text), *item.ties) if copies else item.ties:
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
        strata[label].append((_hash(seed, same_text(items[unit[0]].text)), unit))
    placed = []
    for label, members in strata.items():
        members.sort()
        offset = int(_hash(seed, label)[:12], 16) / 16**12
        placed += [((i + offset) / len(members), mark, unit) for i, (mark, unit) in enumerate(members)]
    return [unit for _, _, unit in sorted(placed)]


def _hash(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()

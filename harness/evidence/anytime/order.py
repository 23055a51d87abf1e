"""The random order in which examples are asked, fixed by a seed and nothing else.

An example's place follows from its id alone, so that every recipe is asked in the same order, a longer
prefix contains every shorter one, and a later reader of the answers can recover the order. Examples of one
group stay together: evidence is counted by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from harness.core.keys import digest

SEED = 0
"""One order for all commands, so that every recipe, seed and later run is asked in the same order."""


def order(ids: Sequence[str], groups: Sequence[str | None], seed: int = SEED) -> list[int]:
    """Positions of the examples in the order in which they are asked."""
    places = [_place(id_, group, seed) for id_, group in zip(ids, groups, strict=True)]
    return sorted(range(len(ids)), key=places.__getitem__)


def beginning(
    ids: Sequence[str], groups: Sequence[str | None], count: int, seed: int = SEED
) -> frozenset[str]:
    """Ids of the first `count` examples in that order, and of the rest of the last one's group."""
    ordered = order(ids, groups, seed)
    if not 0 < count < len(ordered):
        return frozenset(ids if count else ())
    last = groups[ordered[count - 1]]
    while last is not None and count < len(ordered) and groups[ordered[count]] == last:
        count += 1
    return frozenset(ids[position] for position in ordered[:count])


@lru_cache(maxsize=1 << 16)
def _place(id_: str, group: str | None, seed: int) -> tuple[str, str]:
    unit = ["example", id_] if group is None else ["group", group]
    return digest([seed, *unit]), digest([seed, "example", id_])

"""A seeded sample of examples: labels or groups in proportion, and nested.

A prefix of a file is not a sample: most files are sorted by label, date or source. If examples are questions
to ask (`--limit`), a sample takes some of many groups, because a few whole ones say little about others, and
has exactly the size asked for. If examples are set aside from those that teach, groups stay whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core.values import Example
from harness.tasks import splits

SEED = 0
"""One seed for all commands, so that every recipe, seed and later run is asked the same examples."""


def sample(examples: Sequence[Example], size: int | None, seed: int = SEED) -> tuple[Example, ...]:
    """`size` of the examples, in their given order; None means all of them.

    Labels have their share of the sample, or, if there are no labels, groups do. A larger sample
    contains every smaller one.
    """
    if size is None or size >= len(examples):
        return tuple(examples)
    alone = [
        replace(item, label=item.label or str(example.group), ties=())
        for item, example in zip(splits.items(examples), examples, strict=True)
    ]
    order = [row for unit in splits.spread(alone, seed) for row in unit]
    return _in_order(examples, order[:size])


def sample_groups(examples: Sequence[Example], size: int, seed: int = SEED) -> tuple[Example, ...]:
    """About `size` of the examples, in their given order, such that no group is divided.

    The number is met as closely as whole groups allow; if there are at least two groups, at least two are
    taken. A larger sample contains every smaller one.
    """
    if size >= len(examples):
        return tuple(examples)
    return _in_order(examples, _rows(examples, size, seed) if size else [])


def _in_order(examples: Sequence[Example], rows: Sequence[int]) -> tuple[Example, ...]:
    chosen = set(rows)
    return tuple(example for row, example in enumerate(examples) if row in chosen)


def _rows(examples: Sequence[Example], size: int, seed: int) -> list[int]:
    """Positions of the shortest stretch of whole groups that comes closest to `size`."""
    units = splits.spread(splits.items(examples), seed)
    grouped = any(example.group is not None for example in examples)
    least = min(2, len(units)) if grouped else 1
    rows: list[int] = []
    for taken, unit in enumerate(units):
        over, under = len(rows) + len(unit) - size, size - len(rows)
        if taken >= least and over >= under:
            break
        rows += unit
    return rows

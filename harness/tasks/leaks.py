"""Columns that give the answer away: each of their values occurs with one answer only."""

from __future__ import annotations

import itertools
import json
from collections.abc import Hashable, Mapping, Sequence

REPEATS = 5
"""A value must occur in this many rows on average: a text seen once having one answer means nothing."""
MOST_COLUMNS = 12
"""Number of columns that are tried in pairs."""

Values = Sequence[str]


def text(value: object) -> str:
    """A value in a form that can be compared: numbers and their texts are the same."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def few(values: Values) -> bool:
    """Whether a column repeats its values, at least `REPEATS` times on average."""
    most = len(values) / REPEATS
    distinct: set[str] = set()
    for value in values:
        distinct.add(value)
        if len(distinct) > most:
            return False
    return len(distinct) > 1


def copies(values: Values, targets: Values) -> bool:
    """Whether a column is the answer under another name: equal to it, or a code for it."""
    if all(map(str.__eq__, values, targets)):
        return len(set(itertools.islice(targets, 1000))) > 1
    return few(values) and few(targets) and predicts(values, targets) and predicts(targets, values)


def predicts(values: Sequence[object], targets: Values) -> bool:
    """Whether equal values always occur with equal answers."""
    answer_of: dict[Hashable, str] = {}
    return all(
        answer_of.setdefault(value, answer) == answer for value, answer in zip(values, targets, strict=True)
    )


def singles(columns: Mapping[str, Values], targets: Values) -> list[str]:
    """The columns that predict the answer exactly, each alone."""
    if len(set(targets)) < 2:
        return []
    return [name for name, values in columns.items() if few(values) and predicts(values, targets)]


def pairs(columns: Mapping[str, Values], targets: Values) -> list[tuple[str, str]]:
    """Pairs of columns that predict the answer exactly together; `columns` are those that do not alone."""
    repeating = {name: values for name, values in columns.items() if few(values)}
    if len(set(targets)) < 2 or len(repeating) > MOST_COLUMNS:
        return []
    return [
        (first, second)
        for first, second in itertools.combinations(repeating, 2)
        if predicts(list(zip(repeating[first], repeating[second], strict=True)), targets)
        and len(set(zip(repeating[first], repeating[second], strict=True))) <= len(targets) / REPEATS
    ]

"""NaN: what data frames write for a missing value. It is read as an empty cell, and the user is told."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.tasks.located import Located

log = logging.getLogger(__name__)

SPELLED = ("nan", "NaN")
"""How a table of text spells it; `None`, `NULL` and `NA` may be meant."""

_MAY_HOLD = (float, dict, list)


def emptied(rows: Sequence[Located]) -> list[Located]:
    """Rows whose NaN and infinite numbers are null; a warning says how many there were in which columns."""
    return list(emptying(rows))


def emptying(rows: Iterable[Located]) -> Iterator[Located]:
    """Like `emptied`, row by row; the warning comes after the last row."""
    counts: Counter[str] = Counter()
    file = ""
    for located in rows:
        file = file or located.file
        yield _row(located, counts)
    if counts:
        log.warning("%s: %s", file, in_words(counts))


def spelled(rows: Sequence[Located], columns: Sequence[str]) -> tuple[list[Located], Counter[str]]:
    """Rows whose cells in `columns` that spell NaN are empty, and how many there were in each column."""
    counts: Counter[str] = Counter()
    cleaned = []
    for located in rows:
        names = [name for name in columns if located.row.get(name) in SPELLED]
        counts.update(names)
        cleaned.append(replace(located, row=located.row | dict.fromkeys(names)) if names else located)
    return cleaned, counts


def among_numbers(rows: list[Located], column: str) -> tuple[list[Located], Counter[str]]:
    """Like `spelled`, for a column whose other cells are all numbers; otherwise such a cell may be a
    label."""
    values = [located.row.get(column) for located in rows]
    others = [value for value in values if value not in (None, "", *SPELLED)]
    if len(others) == len(values) or not others or not all(map(_is_number, others)):
        return rows, Counter()
    return spelled(rows, [column])


def _is_number(value: object) -> bool:
    try:
        return math.isfinite(float(str(value)))
    except ValueError:
        return False


def in_words(counts: Counter[str]) -> str:
    """What was read as empty, in words."""
    listed = ", ".join(f"{count:,} in '{name}'" for name, count in counts.items())
    return f"NaN and infinite numbers are read as empty cells ({listed})"


def _row(located: Located, counts: Counter[str]) -> Located:
    names = [name for name, value in located.row.items() if type(value) in _MAY_HOLD and _holds(value)]
    if not names:
        return located
    counts.update(names)
    return replace(located, row=located.row | {name: _without(located.row[name]) for name in names})


def _holds(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds, value.values()))
    return isinstance(value, list) and any(map(_holds, value))


def _without(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item) for item in value]
    return None if _holds(value) else value

"""Which column of a table is the answer, if the user does not name it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence

from harness.core.errors import ConfigError
from harness.tasks import leaks, names
from harness.tasks.located import Located
from harness.tasks.row_layouts import reach

VALUE = re.compile(r"[-+]?[$€£¥]? ?\d[\d.,:/’'T-]* ?[$€£¥%]?")
"""A number, an amount, a share, a date or a time."""
EMPTY = ("", "nan", "null", "none", "n/a", "na")
"""How tables mark a cell that has no value."""
FEW_FLAGS = 3
"""From this many columns of 0 and 1 on, they are the labels of one row, not separate answers."""
FEW_ROWS = 5
"""With fewer rows than this, it means nothing that a column is constant."""
CLEARLY_FEWER = 0.5
"""Of two columns, one is the answer if it has at most this share of the other's distinct values."""


REPEATS = 3
"""How often a value occurs at least, on average, in a column of labels."""
SHORT = 3
"""Mean length in characters below which values are codes or initials."""
MOST_NAMED = 2
"""Columns of repeating values that the remedy names beside the likeliest one."""


class Table:
    """The columns of rows; values are read once each."""

    def __init__(self, rows: Sequence[Located]) -> None:
        self.rows = rows
        self.names = list(dict.fromkeys(name for located in rows for name in located.row))
        self._texts: dict[str, list[str]] = {}

    def texts(self, name: str) -> list[str]:
        """A column's values, in a form that can be compared."""
        if name not in self._texts:
            self._texts[name] = [leaks.text(reach(located.row, name)) for located in self.rows]
        return self._texts[name]

    def constant(self, name: str) -> bool:
        """Whether every row has the same value."""
        texts = self.texts(name)
        return len(texts) >= FEW_ROWS and all(value == texts[0] for value in texts)

    def unique(self, name: str) -> bool:
        """Whether every row has a value and no two share one."""
        texts = self.texts(name)
        return all(texts) and len(set(texts)) == len(texts)

    def every(self, name: str, holds: Callable[[str], object]) -> bool:
        """Whether something holds for every value."""
        return all(holds(value) for value in self.texts(name))


def find(table: Table, known: Sequence[str]) -> tuple[str, str]:
    """The column with the answer, of those in `known`, and the reason.

    Raises:
        ConfigError: neither a name nor the values point to one column; names the candidates.
    """
    filled = [name for name in known if any(table.texts(name))]
    name = names.target(filled)
    if name is not None:
        return _spelled_out(table, name, filled), "named like an answer"
    candidates = [name for name in filled if not _numbers_rows(table, name) and not table.constant(name)]
    plain = not any(isinstance(value, list) for located in table.rows[:100] for value in located.row.values())
    if len(candidates) == 2 and plain:
        return _with_fewer_values(table, candidates)
    raise ConfigError(
        f"cannot tell which column is the answer (columns: {', '.join(table.names)})",
        file=table.rows[0].file,
        remedy=_remedy(table, candidates),
    )


def _is_no_label(table: Table, name: str) -> tuple[bool, bool, int]:
    """Sorts the likeliest label first: values that repeat, words rather than codes, then few of them."""
    values = table.texts(name)
    distinct = set(values)
    repeats = len(distinct) <= max(2, len(values) // REPEATS)
    length = sum(map(len, distinct)) / max(1, len(distinct))
    return not repeats, length < SHORT, len(distinct)


def _remedy(table: Table, candidates: Sequence[str]) -> str:
    """How to tell the harness which column is the answer."""
    flags = [name for name in candidates if set(table.texts(name)) == {"0", "1"}]
    if len(flags) >= FEW_FLAGS:
        some = ", ".join(flags[:3])
        return (
            f"{len(flags)} columns ({some}, …) hold 0 or 1, a label each: write the names of those with 1 into one "
            f"column, as in '{flags[0]}; {flags[1]}'"
        )
    fewest = min(candidates, key=lambda name: _is_no_label(table, name), default="COLUMN")
    every = any(isinstance(located.row.get(fewest), list) for located in table.rows[:100])
    whole = "; where every item of its lists is wanted, add --format json_schema" if every else ""
    others = [
        name for name in candidates if name != fewest and not _is_no_label(table, name)[0] and not every
    ]
    choices = " or ".join(f"--target {shlex.quote(name)}" for name in (fewest, *others[:MOST_NAMED]))
    return f"say it with --target COLUMN, such as {choices}{whole}"


def _with_fewer_values(table: Table, pair: Sequence[str]) -> tuple[str, str]:
    counts = {name: len(set(table.texts(name))) for name in pair}
    fewest, most = sorted(pair, key=lambda name: counts[name])
    if counts[fewest] <= CLEARLY_FEWER * counts[most]:
        return fewest, f"the column with fewer distinct values ({counts[fewest]:,} against {counts[most]:,})"
    values = [name for name in pair if _holds_values(table, name)]
    if len(values) == 1:
        return values[0], "a number, an amount or a date in every row, beside texts"
    first, second = pair
    raise ConfigError(
        f"cannot tell whether '{first}' or '{second}' is the answer: "
        f"they have {counts[first]:,} and {counts[second]:,} distinct values",
        file=table.rows[0].file,
        remedy=f"say it with --target {shlex.quote(first)} or --target {shlex.quote(second)}",
    )


def _holds_values(table: Table, name: str) -> bool:
    """Whether a column holds numbers, amounts or dates, which are answers to texts; numbers that all differ may
    be ids."""
    filled = [text for text in table.texts(name) if text.lower() not in EMPTY]
    ids = all(text.isdigit() for text in filled) and len(set(filled)) == len(filled)
    return bool(filled) and not ids and all(VALUE.fullmatch(text) for text in filled)


def _numbers_rows(table: Table, name: str) -> bool:
    return (names.is_id(name) or names.is_counter(name) or names.is_frame_index(name)) and table.unique(name)


def _spelled_out(table: Table, name: str, known: Sequence[str]) -> str:
    """Labels in words for a `name` that holds their codes: `label_text` beside `label`."""
    codes = table.texts(name)
    if not all(re.fullmatch(r"-?\d+", code) for code in codes):
        return name
    first = names.words(name)[0]
    for other in known:
        alike = other != name and names.is_answer(other) and names.words(other)[0] == first
        in_words = alike and not any(text.isdigit() for text in table.texts(other))
        if in_words and leaks.copies(table.texts(other), codes):
            return other
    return name

"""What splits are called: by files, folders, columns and the lists of a JSON file."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from harness.tasks import names
from harness.tasks.located import Located

SPLITS = ("train", "dev", "test")
ALIASES = {
    **dict.fromkeys(("validation", "valid", "val", "validate", "eval", "development"), "dev"),
    "training": "train",
    "testing": "test",
}
COLUMN = "split"
"""The column that says which list of a JSON file a row came from."""


def split_of(stem: str) -> str:
    """The split that a file or folder name stands for; the name in lower case if it names none."""
    words = [word for word in re.split(r"[\W_]+", stem.lower()) if word]
    named = [ALIASES.get(word, word) for word in (words[:1] + words[-1:])]
    return next((word for word in named if word in SPLITS), stem.lower())


def is_division(values: Collection[str]) -> bool:
    """Whether values name nothing but splits, train and another among them."""
    splits = {ALIASES.get(value.strip().lower(), value.strip().lower()) for value in values}
    return "train" in splits and len(splits) > 1 and splits <= set(SPLITS)


def is_split(name: str) -> bool:
    """Whether a column's name suggests that it names splits."""
    return names.words(name)[-1:] in (("split",), ("set",), ("fold",), ("subset",), ("partition",))


def column(rows: Sequence[Located]) -> str | None:
    """The column that says which split each row belongs to; None if there is none."""
    for name in filter(is_split, rows[0].row if rows else ()):
        values = [_value(located, name) for located in rows]
        if all(value is not None for value in values) and is_division({str(value) for value in values}):
            return name
    return None


def divided(rows: Sequence[Located], name: str) -> dict[str, list[Located]]:
    """Rows by the split that a column names, train first."""
    parts: dict[str, list[Located]] = {}
    for located in rows:
        parts.setdefault(split_of(str(_value(located, name)).strip()), []).append(located)
    return {split: parts[split] for split in SPLITS if split in parts}


def _value(located: Located, name: str) -> object:
    value = located.row.get(name)
    return value if isinstance(value, str) else None

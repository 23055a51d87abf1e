"""Names that become parts of file names, shell lines and reports."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from harness.core.errors import ConfigError

PATTERN = re.compile(r"(?!\.+$|-)[\w.-]+")
"""Letters, digits, `_`, `-` and `.`: a name cannot leave its folder, and means nothing to a shell, nor to a command as an option."""
RESERVED = {"true", "false", "none", "self", "loop", "system", "and", "or", "not", "in", "is", "if", "else"}
"""Names that mean something else in a template; `system` is the system message."""
SHOWN = 60
LONGEST = 200
"""Bytes of a name in UTF-8: a file's name has at most 255."""
LONGEST_PART, LONGEST_PART_BYTES = 40, 100
"""Characters, and bytes in UTF-8, of a foreign name in a file's name, which may hold two of them."""


def check(name: str, what: str, file: Path | str | None = None) -> str:
    """The name, after checking that it is valid.

    Raises:
        ConfigError: it has another character, consists of dots alone, begins with a dash, or is too long.
    """
    if _bytes(name) > LONGEST:
        raise ConfigError(
            f"{what} '{name[:SHOWN]}…' has {len(name):,} characters",
            file=file,
            remedy=f"use at most {LONGEST}",
        )
    if not PATTERN.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r} is not a valid name",
            file=file,
            remedy="use letters, digits, - _ and ., and no dash first",
        )
    return name


def is_reserved(field: str) -> bool:
    """Whether a field of a template cannot have this name: `from` is a word of the language."""
    return field.lower() in RESERVED or keyword.iskeyword(field)


def as_shown(field: str) -> str:
    """A field's name for readers: without the underscore that keeps it apart from a reserved word."""
    word = field.removesuffix("_")
    return word if word != field and is_reserved(word) else field


def is_valid(name: str) -> bool:
    """Whether `check` lets a name pass."""
    return _bytes(name) <= LONGEST and PATTERN.fullmatch(name) is not None


def file_part(name: str) -> str:
    """A foreign name with `_` for whatever is awkward in a file's name, otherwise as it is, whatever its length."""
    return re.sub(r"[^\w.-]+", "_", name)


def slug(name: str) -> str:
    """A foreign name as a part of a file's name: any other character becomes `_`, and its end is cut off. Different names
    may have the same slug, and it is empty where nothing is left.
    """
    plain = file_part(name).strip("._-")[:LONGEST_PART]
    return plain.encode("utf-8")[:LONGEST_PART_BYTES].decode("utf-8", "ignore")


def _bytes(name: str) -> int:
    return len(name.encode("utf-8", "replace"))

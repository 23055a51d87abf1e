"""Readers of data files: each module reads the file type that its own name is the suffix of; there is no list
of them.

A reader is a function `read(path, options)` that yields each row with its line or sheet row.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.core.json_types import JsonValue

Located = tuple[dict[str, JsonValue], int | None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a reader may need to know: the encoding of texts, and the sheet of a workbook."""

    encoding: str = "utf-8"
    sheet: str | None = None


@cache
def suffixes() -> tuple[str, ...]:
    """The suffixes that have a reader, with their dots."""
    return tuple(sorted(f".{module.name}" for module in pkgutil.iter_modules(__path__)))


def read(path: Path, options: Options) -> Iterator[Located]:
    """Every row of a file whose suffix is one of `suffixes()`.

    Raises:
        ConfigError: the file is broken, with the place.
    """
    reader = importlib.import_module(f"{__name__}.{path.suffix.lower().removeprefix('.')}")
    rows: Iterator[Located] = reader.read(path, options)
    return rows

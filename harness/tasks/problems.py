"""A finding about a task's rows or corpus.

An `error` makes a result meaningless, a `warning` flatters or blurs it, a `note` is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding; `ids` are some of the examples it is about."""

    level: Level
    check: str
    message: str
    ids: tuple[str, ...] = ()


def problem(level: Level, check: str, message: str, ids: Iterable[str]) -> Problem:
    """A finding about these examples, of which it names ten at most."""
    return Problem(level=level, check=check, message=message, ids=tuple(ids)[:10])

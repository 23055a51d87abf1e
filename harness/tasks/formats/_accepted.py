"""Targets that accept several answers."""

from __future__ import annotations

from harness.core.json_types import JsonValue


def first(target: JsonValue) -> JsonValue:
    """The first of several accepted answers, which is the one to give. A single target is returned as it is.

    Raises:
        IndexError: an empty list, which is not an answer.
    """
    return target[0] if isinstance(target, list | tuple) else target

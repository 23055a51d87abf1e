"""Targets that accept several answers."""

from __future__ import annotations

from harness.core.json_types import JsonValue


def first(target: JsonValue) -> JsonValue:
    """Of several accepted answers the one to give: the first. A single target is itself.

    Raises:
        IndexError: an empty list, which is no answer.
    """
    return target[0] if isinstance(target, list | tuple) else target

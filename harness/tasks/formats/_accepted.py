"""Targets that accept several answers."""

from __future__ import annotations

from typing import Any


def first(target: Any) -> Any:
    """Of several accepted answers the one to give: the first. A single target is itself."""
    return target[0] if isinstance(target, list | tuple) and target else target

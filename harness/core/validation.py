"""pydantic's reader of a type, built once: building one takes a hundred times as long as using it."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


def adapter(cls: type[T]) -> TypeAdapter[T]:
    """The reader of a type's values."""
    if cls not in _ADAPTERS:
        _ADAPTERS[cls] = TypeAdapter(cls)
    known: TypeAdapter[T] = _ADAPTERS[cls]
    return known


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}

"""A JSON value as its leaves, each with its path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.characters import plain
from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json


def leaves(value: JsonValue, path: str = "$") -> Iterator[tuple[str, str]]:
    """Pairs of path and canonical value; an empty object or list is a leaf. Order in lists counts."""
    if isinstance(value, Mapping) and value:
        for name, part in value.items():
            # A name with a dot in it must not look like a path.
            yield from leaves(part, f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]")
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, f"{path}[{index}]")
    else:
        yield path, canonical_json(_fold(value))


def _fold(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return plain(value).strip().casefold() if isinstance(value, str) else value

"""A JSON Schema from examples: what all of them satisfy, and not much more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

MAX_ENUM = 20
REPEATS = 5
"""A text field is an enum where it has few values and each stands for this many rows on average."""


def schema(values: Sequence[Any]) -> dict[str, Any]:
    """The schema that all `values` satisfy: types, keys (required where all have them), short enums."""
    body = _schema(values)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def _schema(values: Sequence[Any]) -> dict[str, Any]:
    found = sorted({_type(value) for value in values})
    if "integer" in found and "number" in found:
        found.remove("integer")
    body: dict[str, Any] = {"type": found[0] if len(found) == 1 else found}
    if "object" in found:
        body |= _object([value for value in values if isinstance(value, dict)])
    if "array" in found:
        items = [item for value in values if isinstance(value, list) for item in value]
        body |= {"items": _schema(items)} if items else {}
    if found == ["string"]:
        body |= _enum(values)
    return body


def _object(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    present = Counter(key for value in values for key in value)
    return {
        "properties": {key: _schema([value[key] for value in values if key in value]) for key in present},
        "required": [key for key, count in present.items() if count == len(values)],
        "additionalProperties": False,
    }


def _enum(values: Sequence[str]) -> dict[str, Any]:
    distinct = sorted(set(values))
    closed = len(distinct) <= MAX_ENUM and len(values) >= REPEATS * len(distinct)
    return {"enum": distinct} if closed else {}


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    names = {float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]

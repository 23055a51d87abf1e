"""A JSON Schema from examples: what all of them satisfy, and not much more.

If it must accept further values, it is relaxed and never extended: no name or text that occurs only in those
values gets into it.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from harness.core.json_types import JsonValue

Schema = dict[str, Any]
"""A JSON Schema as it is built, keyword by keyword."""
MAX_ENUM = 20
REPEATS = 5
"""A text field is an enum if it has few values and each occurs in this many rows on average."""


def schema(values: Sequence[JsonValue]) -> Schema:
    """The schema that all `values` satisfy: types, keys (required if all have them), short enums."""
    body = _schema(values)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}


def fitting(train: Sequence[JsonValue], others: Sequence[JsonValue]) -> tuple[Schema, str]:
    """The schema of `train`, relaxed until it accepts `others` too, and how many those were, in words."""
    inferred = schema(train)
    accepts = Draft202012Validator(inferred).is_valid
    refused = [value for value in others if not accepts(value)]
    opened = copy.deepcopy(inferred)
    places: dict[str, None] = {}
    for value in refused:
        _open(opened, value, "$", places)
    if not refused:
        return inferred, ""
    shown = ", ".join(list(places)[:5]) + (", …" if len(places) > 5 else "")
    count = f"{len(refused):,} target{'s' if len(refused) > 1 else ''}"
    return opened, f", which refuses {count} of dev or test: opened at {shown}"


def _open(body: Schema, value: JsonValue, path: str, places: dict[str, None]) -> None:
    """Relax a schema in place where it refuses `value`; `places` collects the places."""
    types = body.get("type", [])
    types = types if isinstance(types, list) else [types]
    kind = _type(value)
    if types and kind not in types and not (kind == "integer" and "number" in types):
        kept = [name for name in types if not (kind == "number" and name == "integer")]
        wider = sorted({*kept, kind})
        body["type"] = wider[0] if len(wider) == 1 else wider
        body.pop("enum", None)
        places[path] = None
    if "enum" in body and value not in body["enum"]:
        del body["enum"]
        places[path] = None
    if isinstance(value, dict) and "properties" in body:
        _open_object(body, value, path, places)
    elif isinstance(value, list) and "items" in body:
        for item in value:
            _open(body["items"], item, f"{path}[]", places)


def _open_object(body: Schema, value: Mapping[str, JsonValue], path: str, places: dict[str, None]) -> None:
    missing = [key for key in body["required"] if key not in value]
    if missing:
        body["required"] = [key for key in body["required"] if key not in missing]
        places |= {f"{path}.{key}": None for key in missing}
    for key, item in value.items():
        if key in body["properties"]:
            _open(body["properties"][key], item, f"{path}.{key}", places)
        elif body["additionalProperties"] is not True:
            body["additionalProperties"] = True
            places[f"{path} (other keys)"] = None


def _schema(values: Sequence[JsonValue]) -> Schema:
    types = sorted({_type(value) for value in values})
    if "integer" in types and "number" in types:
        types.remove("integer")
    body: Schema = {"type": types[0] if len(types) == 1 else types}
    if "object" in types:
        body |= _object([value for value in values if isinstance(value, dict)])
    if "array" in types:
        items = [item for value in values if isinstance(value, list) for item in value]
        body |= {"items": _schema(items)} if items else {}
    if types == ["string"]:
        body |= _enum([value for value in values if isinstance(value, str)])
    return body


def _object(values: Sequence[Mapping[str, JsonValue]]) -> Schema:
    present = Counter(key for value in values for key in value)
    return {
        "properties": {key: _schema([value[key] for value in values if key in value]) for key in present},
        "required": [key for key, count in present.items() if count == len(values)],
        "additionalProperties": False,
    }


def _enum(values: Sequence[str]) -> Schema:
    return {"enum": sorted(set(values))} if closed(values) else {}


def closed(values: Sequence[str]) -> bool:
    """Whether texts are labels from a short list, each of which occurs in several rows."""
    distinct = len(set(values))
    return distinct <= MAX_ENUM and len(values) >= REPEATS * distinct


def _type(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    names = {float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]

"""A JSON Schema as prompts show it: the shape of the answer, compact, with its values and descriptions.

The notation is TypeScript's, which is shorter than JSON Schema and close to the JSON that it describes:

    {
      "queue": "KX1" | "KX2",  // product line and kind of trouble
      "cents"?: integer from 0
    }
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Keywords = Mapping[str, Any]
Schema = Keywords | bool

INDENT = "  "
MAX_DEPTH = 12
"""Deeper parts are shown as `any value`."""
_WORDS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
_SIZES = {"minLength": "at least {} characters", "maxLength": "at most {} characters",
          "minItems": "at least {} items", "maxItems": "at most {} items"}  # fmt: skip


def compact(schema: Mapping[str, object]) -> str:
    """The schema's text: keys in the schema's order, `?` after the key of a field that may be left out."""
    return _Writer(schema).text(schema, "", 0)


class _Writer:
    """Writes the parts of one schema; `root` is what a `$ref` points into."""

    def __init__(self, root: Mapping[str, object]) -> None:
        self.root = root
        self.open: list[str] = []

    def text(self, schema: Schema, indent: str, depth: int) -> str:
        if isinstance(schema, bool) or not schema or depth > MAX_DEPTH:
            return "any value"
        if "$ref" in schema:
            return self._referred(str(schema["$ref"]), indent, depth)
        if "const" in schema:
            return _json(schema["const"])
        if "enum" in schema:
            return " | ".join(map(_json, schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return " | ".join(self._branches(schema[key], indent, depth))
        if "allOf" in schema:
            return self.text(_joined(schema), indent, depth + 1)
        types = schema.get("type") or _implied(schema)
        names = [types] if isinstance(types, str) else list(types)
        return " | ".join(self._typed(name, schema, indent, depth) for name in names) or "any value"

    def _referred(self, reference: str, indent: str, depth: int) -> str:
        """What a `$ref` points to; a definition within itself is called by its name."""
        target = _resolved(self.root, reference)
        if target is None:
            return "any value"
        if reference in self.open:
            return reference.rpartition("/")[2].removeprefix("#") or "the same again"
        self.open.append(reference)
        text = self.text(target, indent, depth + 1)
        self.open.pop()
        return text

    def _branches(self, options: Sequence[Schema], indent: str, depth: int) -> list[str]:
        """The alternatives, each once; an alternative's description follows it in parentheses."""
        texts = [
            self.text(option, indent, depth + 1) + (f" ({note})" if (note := _description(option)) else "")
            for option in options
        ]
        return list(dict.fromkeys(texts))

    def _typed(self, name: str, schema: Keywords, indent: str, depth: int) -> str:
        if name == "object":
            return self._object(schema, indent, depth)
        if name == "array":
            items = self.text(schema.get("items", True), indent, depth + 1)
            several = " | " in items and "\n" not in items
            return _limited(f"[{f'({items})' if several else items}, ...]", schema, ("minItems", "maxItems"))
        if name in ("integer", "number"):
            limits = [f"{word} {schema[key]}" for key, word in _WORDS.items() if key in schema]
            return " ".join([name, *limits])
        if name == "string":
            kind = f"string ({schema['format']})" if "format" in schema else "string"
            kind += f" matching {schema['pattern']}" if "pattern" in schema else ""
            return _limited(kind, schema, ("minLength", "maxLength"))
        return {"boolean": "true | false"}.get(name, name)

    def _object(self, schema: Keywords, indent: str, depth: int) -> str:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        required = schema.get("required", ())
        inner = indent + INDENT
        fields = [
            (f"{_json(key)}{'' if key in required else '?'}: {self.text(value, inner, depth + 1)}", value)
            for key, value in properties.items()
        ]
        others = schema.get("additionalProperties", not properties)
        if isinstance(others, Mapping) or (others and not properties):
            fields.append((f"[key]: {self.text(others, inner, depth + 1)}", others))
        if not fields:
            return "{}"
        lines = [
            f"{inner}{text}{',' if number < len(fields) else ''}{_comment(value)}"
            for number, (text, value) in enumerate(fields, start=1)
        ]
        return "\n".join(["{", *lines, f"{indent}}}"])


def _resolved(root: Mapping[str, object], reference: str) -> Schema | None:
    """What a `$ref` within the schema points to; None for one that leads elsewhere."""
    if not reference.startswith("#"):
        return None
    target: Any = root
    for part in filter(None, reference[1:].split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, Mapping) or key not in target:
            return None
        target = target[key]
    return target if isinstance(target, Mapping | bool) else None


def _joined(schema: Keywords) -> Keywords:
    """`allOf` as one schema: what its parts say, properties and required keys of all of them together."""
    joined = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        if not isinstance(part, Mapping):
            continue
        properties = {**joined.get("properties", {}), **part.get("properties", {})}
        required = [*joined.get("required", ()), *part.get("required", ())]
        joined = {**joined, **part}
        joined |= {"properties": properties} if properties else {}
        joined |= {"required": required} if required else {}
    return joined


def _implied(schema: Mapping[str, object]) -> list[str]:
    """The type that a schema without one means by its keywords."""
    if "properties" in schema or "additionalProperties" in schema:
        return ["object"]
    return ["array"] if "items" in schema else ["string"] if "pattern" in schema else []


def _limited(text: str, schema: Mapping[str, object], keys: Sequence[str]) -> str:
    limits = [_SIZES[key].format(schema[key]) for key in keys if key in schema]
    return f"{text} ({', '.join(limits)})" if limits else text


def _description(schema: Schema) -> str:
    description = schema.get("description", "") if isinstance(schema, Mapping) else ""
    return " ".join(str(description).split())


def _comment(schema: Schema) -> str:
    return f"  // {note}" if (note := _description(schema)) else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

"""A JSON Schema in a form that can constrain decoding: rewritten where llguidance reads it differently from a
validator.

A rewritten schema allows what the original allows, or more. What is left out is named and validated afterwards.
https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from harness.engines import string_formats
from harness.engines.schema_numbers import EXACT, MOST_DECIMALS, decimal_places, rounded, spellings

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


_IGNORED = frozenset(
    (
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
    )
)
"""Annotations: they restrict nothing."""
_LISTS_OF_SCHEMAS = frozenset(("anyOf", "allOf", "oneOf", "prefixItems"))
_MAPS_OF_SCHEMAS = frozenset(("properties", "patternProperties", "$defs", "definitions"))
_SCHEMAS = frozenset(("items", "additionalProperties", "additionalItems"))
_CLASSES = {"d": r"\p{Nd}", "w": r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d"}
"""What `\\d` and `\\w` mean to the validator; llguidance takes them for ASCII."""


_REWRITTEN = re.compile(
    r'"(?:\$ref|pattern|patternProperties|format|multipleOf|(?:exclusiveM|m)(?:ax|in)imum|(?:min|max)Properties|uniqueItems)"'
    r"|[0-9]{16}"
)


def rewritten(text: str) -> bool:
    """Whether a `Rewriter` may change anything that matters in a schema, given as JSON: most have nothing of the kind.

    Annotations matter only beside a reference, where they would count as siblings.
    """
    return _REWRITTEN.search(text) is not None


@dataclass
class Rewriter:
    """Rewrites the parts of one schema, and remembers what it left out.

    Args:
        usable: whether llguidance compiles a schema.
        names: whether names that match a pattern have schemas of their own.
    """

    usable: Callable[[dict[str, Json]], bool]
    names: bool = True
    left_out: list[str] = field(default_factory=list)

    def schema(self, schema: Json) -> Json:
        """The schema to hand over, keys in the order of the original."""
        if not isinstance(schema, dict):
            return schema
        rewritten: dict[str, Json] = {}
        for key, value in schema.items():
            if key in _IGNORED or (key == "uniqueItems" and value is False):
                continue
            handler = _HANDLERS.get(key)
            part = {key: self._inner(key, value)} if handler is None else handler(self, value)
            rewritten = _both(rewritten, part)
        return self._bounds(self._sizes(self._named(rewritten)))

    def _inner(self, key: str, value: Json) -> Json:
        if key in _LISTS_OF_SCHEMAS or (key == "items" and isinstance(value, list)):
            return [self.schema(part) for part in cast("list[Json]", value)]
        if key == "patternProperties" and isinstance(value, dict):
            return {unicode_pattern(name, in_json=True): self.schema(part) for name, part in value.items()}
        if key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
            return {name: self.schema(part) for name, part in value.items()}
        if key in _SCHEMAS:
            return self.schema(value)
        return value

    def _enum(self, values: Json) -> dict[str, Json]:
        options = cast("list[Json]", values)
        if not any(map(_inexact, options)):
            return {"enum": options}
        self._drop("whole numbers above 2^53 in enum")
        return {"anyOf": [{"type": "integer"} if _inexact(one) else {"const": one} for one in options]}

    def _const(self, value: Json) -> dict[str, Json]:
        if not _inexact(value):
            return {"const": value}
        self._drop("a whole number above 2^53 in const")
        return {"type": "integer"} if isinstance(value, int) else {"type": _type(value)}

    def _pattern(self, pattern: Json) -> dict[str, Json]:
        text = unicode_pattern(str(pattern), in_json=True)
        if self.usable({"pattern": text}):
            return {"pattern": text}
        self._drop(f"pattern {pattern}")
        return {}

    def _named(self, schema: dict[str, Json]) -> dict[str, Json]:
        """The schema without name patterns if one of them cannot be expressed: then any name is allowed."""
        patterns = schema.get("patternProperties")
        if not isinstance(patterns, dict):
            return schema
        if self.names and all(self.usable({"pattern": name}) for name in patterns):
            return schema
        self._drop("patternProperties")
        return {
            key: value
            for key, value in schema.items()
            if key not in ("patternProperties", "additionalProperties")
        }

    def _sizes(self, schema: dict[str, Json]) -> dict[str, Json]:
        """The schema without limits on the number of properties if some are optional: llguidance would require
        all of them. A name that is written twice counts twice here, and once for a validator."""
        sizes = [key for key in ("minProperties", "maxProperties") if key in schema]
        if not sizes:
            return schema
        names, required = schema.get("properties", {}), schema.get("required", [])
        if isinstance(names, dict) and isinstance(required, list) and set(names) <= set(map(str, required)):
            least = cast("int | float", schema.get("minProperties", 0))
            sizes = ["minProperties"] if least > len(set(map(str, required))) + 1 else []
            if not sizes:
                return schema
        self._drop(" and ".join(sizes))
        return {key: value for key, value in schema.items() if key not in sizes}

    def _format(self, name: Json) -> dict[str, Json]:
        """The regular expression that the validator checks; other names are ignored by both."""
        expression = string_formats.pattern(str(name))
        return {} if expression is None else {"pattern": expression}

    def _multiple(self, step: Json) -> dict[str, Json]:
        if self.usable({"multipleOf": step}):
            return {"multipleOf": step}
        self._drop(f"multipleOf {step}")
        return {}

    def _bounds(self, schema: dict[str, Json]) -> dict[str, Json]:
        """Bounds with decimals, spelled with fewer decimals too; bounds that doubles cannot hold are left out."""
        numbers = {key: cast("int | float", schema[key]) for key in _NUMBERS if _is_number(schema.get(key))}
        if not numbers:
            return schema
        rest = {key: value for key, value in schema.items() if key not in numbers}
        for key, value in list(numbers.items()):
            if key != "multipleOf" and abs(value) > EXACT:
                self._drop(f"{key} above 2^53")
                del numbers[key]
            elif key != "multipleOf" and decimal_places(value) > MOST_DECIMALS:
                self._drop(f"the last digits of {key}")
                numbers[key] = rounded(key, value, MOST_DECIMALS, outwards=True)
        versions = spellings(numbers) if numbers else [{}]
        if len(versions) == 1:
            return rest | cast("dict[str, Json]", dict(versions[0]))
        return _both(rest, {"anyOf": [cast("dict[str, Json]", dict(one)) for one in versions]})

    def _drop(self, what: str) -> None:
        if what not in self.left_out:
            self.left_out.append(what)


_HANDLERS: dict[str, Callable[[Rewriter, Json], dict[str, Json]]] = {
    "enum": Rewriter._enum,
    "const": Rewriter._const,
    "pattern": Rewriter._pattern,
    "format": Rewriter._format,
    "multipleOf": Rewriter._multiple,
}


def _both(schema: dict[str, Json], part: dict[str, Json]) -> dict[str, Json]:
    """A schema that requires both; a key of both goes into `allOf`."""
    if not schema.keys() & part.keys():
        return schema | part
    if part.keys() == {"allOf"}:
        return schema | {"allOf": [*cast("list[Json]", schema["allOf"]), *cast("list[Json]", part["allOf"])]}
    return schema | {"allOf": [*cast("list[Json]", schema.get("allOf", [])), cast("Json", part)]}


_NUMBERS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inexact(value: Json) -> bool:
    """Whether a value holds a whole number that a double may change."""
    if isinstance(value, dict):
        return any(map(_inexact, value.values()))
    if isinstance(value, list):
        return any(map(_inexact, value))
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT


def _type(value: Json) -> str:
    return "object" if isinstance(value, dict) else "array"


_ESCAPE = re.compile(r"\\(.)|\[\^?\]?|\]", re.DOTALL)
_UNWRITABLE = r"\x00-\x07\x0b\x0e-\x1f"
"""Characters that a JSON string can hold only as \\u escapes, which the grammar does not allow.
llguidance reads a class
that holds them, and excludes '"' or '\\', as if it held these two."""


def unicode_pattern(pattern: str, *, in_json: bool = False) -> str:
    """A pattern in which `\\d`, `\\w` and their opposites mean what they mean to the validator: Unicode's classes.

    Args:
        in_json: whether what it matches is written as a JSON string.
    """
    inside = negated = False

    def replace(match: re.Match[str]) -> str:
        nonlocal inside, negated
        letter = match.group(1)
        if letter is None:
            text = match.group()
            closes = inside and text == "]"
            inside, negated = text != "]", text.startswith("[^") if text != "]" else negated
            return (_UNWRITABLE if in_json and negated else "") + text if closes else text
        if letter in _CLASSES:
            return _CLASSES[letter] if inside else f"[{_CLASSES[letter]}]"
        opposite = _CLASSES.get(letter.lower()) if letter in "DW" else None
        return match.group() if opposite is None else f"[^{opposite}]"

    return _ESCAPE.sub(replace, pattern)

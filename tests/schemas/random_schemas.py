"""Random JSON Schemas: every type, their bounds, combinations of them, and references, in no particular proportion."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from harness.engines.string_formats import FORMATS

Schema = dict[str, Any]

_NAMES = ("a", "b", "name", "x y", 'q"t', "größe", "back\\slash", "x-1", "x-2", "日", "", "a/b", "1")
_PATTERNS = (
    "^[a-z]+$",
    "ab",
    r"^\d{1,3}$",
    r"^\w+$",
    r"\W",
    r"^\D*$",
    r"^\S+ \S+$",
    "^(cat|dog)s?$",
    r"^[^a-z\s]{1,4}$",
    "^$",
    "^.{2,3}$",
    r"x|y$",
    r"^\p{Lu}",
    r"^[\w.-]+@[\w.-]+$",
    r"^a\.b\\c",
    r'^"[^"]*"$',
    "^(?=.*[0-9])",
    r"^[\]\d-]+$",
)
_NAME_PATTERNS = ("^x-", "^[a-z]+$", "[0-9]$", r"^\w+$", "^(?!_)")
_BOUNDS = (-1000, -90, -2.25, -1, -0.5, 0, 0.001, 0.125, 0.25, 0.5, 1, 1.5, 3, 9.75, 10, 100, 999.99, 65535)
_STEPS = (1, 2, 3, 5, 10, 0.5, 0.25, 0.1, 0.01, 0.125, 1.5, 2.5)


def schema(draw: random.Random, depth: int = 3) -> Schema:
    """One schema that defines two others, `#/$defs/A` and `#/$defs/B`, and may refer to them."""
    whole = part(draw, depth)
    return whole | {"$defs": {"A": part(draw, 1), "B": part(draw, max(1, depth - 1))}}


def part(draw: random.Random, depth: int) -> Schema:
    kinds: list[Callable[[random.Random, int], Schema]] = [
        _integer,
        _number,
        _text,
        _text,
        _enum,
        _const,
        _simple,
    ]
    if depth > 0:
        kinds += [_array, _object, _object, _object, _union, _all, _reference, _conditional]
    return draw.choice(kinds)(draw, depth)


def _some(draw: random.Random, **parts: Any) -> Schema:
    """About a third of the keywords."""
    return {name: value for name, value in parts.items() if draw.random() < 0.35}


def _ordered(draw: random.Random, lower: str, upper: str, values: tuple[float, ...]) -> Schema:
    low, high = sorted((draw.choice(values), draw.choice(values)))
    return _some(draw, **{lower: low, upper: high})


def _numeric(draw: random.Random) -> Schema:
    lower, upper = draw.choice(("minimum", "exclusiveMinimum")), draw.choice(("maximum", "exclusiveMaximum"))
    return _ordered(draw, lower, upper, _BOUNDS)


def _integer(draw: random.Random, _: int) -> Schema:
    return (
        {"type": "integer"} | _numeric(draw) | _some(draw, multipleOf=draw.choice((1, 2, 3, 7, 10, 0.5, 1.5)))
    )


def _number(draw: random.Random, _: int) -> Schema:
    return {"type": "number"} | _numeric(draw) | _some(draw, multipleOf=draw.choice(_STEPS))


def _text(draw: random.Random, _: int) -> Schema:
    limits = _ordered(draw, "minLength", "maxLength", (0, 1, 2, 3, 5, 20))
    kind = draw.random()
    if kind < 0.4:
        return {"type": "string", "pattern": draw.choice(_PATTERNS)} | (limits if draw.random() < 0.3 else {})
    if kind < 0.7:
        return {"type": "string", "format": draw.choice([*FORMATS, "phone"])}
    return {"type": "string"} | limits


def value(draw: random.Random, depth: int = 2) -> Any:
    """A JSON value."""
    simple = (None, True, False, 0, 1, -3, 2.5, 1e-07, 2**53 + 1, "", "a", "ü", 'say "x"', "line\nline", "\\")
    shape = draw.random() if depth else 1
    if shape < 0.15:
        return [value(draw, depth - 1) for _ in range(draw.randint(0, 3))]
    if shape < 0.3:
        return {draw.choice(_NAMES): value(draw, depth - 1) for _ in range(draw.randint(0, 3))}
    return draw.choice(simple)


def _enum(draw: random.Random, _: int) -> Schema:
    return {"enum": [value(draw) for _ in range(draw.randint(1, 5))]}


def _const(draw: random.Random, _: int) -> Schema:
    return {"const": value(draw)}


def _simple(draw: random.Random, _: int) -> Schema:
    names = ["string", "integer", "number", "boolean", "null", "array", "object"]
    kind = draw.choice([*names, draw.sample(names, 2), draw.sample(names, 3)])
    return {"type": kind} if draw.random() < 0.9 else {}


def _array(draw: random.Random, depth: int) -> Schema:
    parts = _some(
        draw,
        items=draw.choice((part(draw, depth - 1), True, False)),
        prefixItems=[part(draw, depth - 1) for _ in range(draw.randint(1, 3))],
        uniqueItems=draw.random() < 0.5,
        contains=part(draw, 0),
    )
    return {"type": "array"} | parts | _ordered(draw, "minItems", "maxItems", (0, 1, 2, 4))


def _object(draw: random.Random, depth: int) -> Schema:
    names = draw.sample(_NAMES, draw.randint(0, 4))
    properties = {name: part(draw, depth - 1) for name in names}
    required = [name for name in names if draw.random() < 0.5]
    parts = _some(
        draw,
        required=required + (["undeclared"] if draw.random() < 0.2 else []),
        additionalProperties=draw.choice((True, False, part(draw, depth - 1))),
        patternProperties={draw.choice(_NAME_PATTERNS): part(draw, depth - 1)},
    )
    if draw.random() < 0.1:
        parts |= _some(draw, propertyNames={"pattern": "^[a-z]+$"}, dependentRequired={"a": ["b"]})
        parts |= _ordered(draw, "minProperties", "maxProperties", (0, 1, 2, 5))
    return {"type": "object", "properties": properties} | parts


def _union(draw: random.Random, depth: int) -> Schema:
    options = [part(draw, depth - 1) for _ in range(draw.randint(1, 3))]
    return {draw.choice(("anyOf", "oneOf")): options}


def _all(draw: random.Random, depth: int) -> Schema:
    """Parts that need not agree, and keywords beside a union."""
    if draw.random() < 0.5:
        return (
            {"allOf": [_object(draw, depth - 1), _object(draw, depth - 1)]} if depth > 1 else {"allOf": [{}]}
        )
    kind = draw.choice((_integer, _number, _text))
    return kind(draw, 0) | {draw.choice(("anyOf", "allOf")): [kind(draw, 0)]}


def _reference(draw: random.Random, _: int) -> Schema:
    return {"$ref": draw.choice(("#/$defs/A", "#/$defs/B"))}


def _conditional(draw: random.Random, depth: int) -> Schema:
    inner = part(draw, depth - 1)
    if draw.random() < 0.5:
        return inner | {"not": part(draw, 0)}
    return inner | {"if": part(draw, 0), "then": part(draw, depth - 1)}

"""Schemas as pydantic, OpenAPI and tool-calling people write them, each with valid instances.

Every schema is written for this project. `CASES` has one entry a schema: its name, the schema, and instances as Python values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A schema and values that are valid under it."""

    name: str
    schema: dict[str, Any]
    instances: tuple[Any, ...]


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


_TEXT, _WHOLE, _NUMBER, _TRUTH = ({"type": name} for name in ("string", "integer", "number", "boolean"))
_PERSON = _object({"name": _TEXT, "age": {"type": "integer", "minimum": 0}}, required=["name"])


def _scalars() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    yield "any string", _TEXT, ("", "a", 'quote " and \\', "Zürich", "日本", "line\nline", "\t")
    yield (
        "string of some length",
        {"type": "string", "minLength": 2, "maxLength": 5},
        ("ab", "abcde", "日本語"),
    )
    yield "any integer", _WHOLE, (0, -1, 12345678901234)
    yield "any number", _NUMBER, (0, -0.5, 1e-7, 3.25, 2.5e10)
    yield "boolean", _TRUTH, (True, False)
    yield "null", {"type": "null"}, (None,)
    yield "nullable text", {"type": ["string", "null"]}, ("a", None)
    yield "several types", {"type": ["integer", "string", "boolean"]}, (1, "x", False)
    yield "anything", {}, (1, "a", None, [1], {"a": 1})
    yield "anything described", {"title": "T", "description": "D", "default": 1, "examples": [1]}, (1, "a")
    yield "true", {"type": "object", "properties": {"a": True}}, ({"a": 1}, {})
    for name, low, high, values in (
        ("share", 0, 1, (0, 1, 0.5, 0.25, 0.125)),
        ("quarter", 0, 0.25, (0, 0.2, 0.25, 0.1, 0.05)),
        ("temperature", -0.75, 2.5, (-0.7, -0.75, 2.5, 2, 0)),
        ("price", 0.01, 999.99, (0.01, 0.1, 5, 999.9, 999.99, 12.5)),
        ("latitude", -90, 90, (-90, 45.123456, 90)),
        ("score", 1.5, 4.75, (1.5, 2, 4.7, 4.75, 3.14)),
        ("thousandth", 0.001, 0.125, (0.001, 0.01, 0.1, 0.12, 0.125)),
    ):
        yield f"number as {name}", {"type": "number", "minimum": low, "maximum": high}, values
    yield "positive", {"type": "number", "exclusiveMinimum": 0}, (0.1, 5, 0.001)
    yield "positive fraction", {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, (0.1, 0.5, 0.25)
    yield "open interval", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, (0.5, 0.999)
    yield "at most", {"type": "number", "maximum": 9.75}, (9.7, -3, 9.75)
    yield "at least", {"type": "number", "minimum": -2.25}, (-2.2, -2, 7.125)
    yield "integer within", {"type": "integer", "minimum": 1, "maximum": 65535}, (1, 80, 65535)
    yield "integer with decimal bounds", {"type": "integer", "minimum": 0.5, "maximum": 3.5}, (1, 3)
    yield "integer written as decimal", {"type": "integer"}, (2.0, -3.0)
    yield "cents", {"type": "number", "multipleOf": 0.01}, (19.99, 0.29, 1.15, 3)
    yield "halves", {"type": "number", "multipleOf": 0.5, "minimum": 0, "maximum": 5}, (0.5, 5, 1.5)
    yield "even", {"type": "integer", "multipleOf": 2}, (0, 14, -2)
    yield (
        "large bound",
        {"type": "integer", "minimum": 9007199254740993},
        (9007199254740993, 9007199254740999),
    )
    yield "large constant", {"const": 9007199254740993}, (9007199254740993,)
    yield "large enum", {"enum": [1, 9007199254740993]}, (1, 9007199254740993)
    yield "format int64", {"type": "integer", "format": "int64"}, (1, 2**40)
    yield "format double", {"type": "number", "format": "double"}, (1.5,)


def _choices() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    yield "enum of texts", {"enum": ["red", "green"]}, ("red", "green")
    yield "typed enum", {"type": "string", "enum": ["a b", "a-b", "ä"]}, ("a b", "a-b", "ä")
    yield "enum with null", {"enum": ["a", None]}, ("a", None)
    yield "typed enum with a null that the type excludes", {"type": "string", "enum": ["a", None]}, ("a",)
    yield "enum of numbers", {"enum": [1, 2.5, 3.0]}, (1, 2.5, 3.0)
    yield "enum of mixed kinds", {"enum": [1, "1", True]}, (1, "1", True)
    yield "enum of objects", {"enum": [{"b": 1, "a": 2}, {"b": 2}]}, ({"b": 1, "a": 2}, {"a": 2, "b": 1})
    yield "enum of lists", {"enum": [[1, 2], []]}, ([1, 2], [])
    yield "constant", {"const": "fixed"}, ("fixed",)
    yield "constant number", {"const": 1.0}, (1, 1.0)
    yield "constant object", {"const": {"z": 1, "a": [1]}}, ({"z": 1, "a": [1]}, {"a": [1], "z": 1})
    yield (
        "literal of pydantic",
        _object({"kind": {"const": "cat", "default": "cat", "type": "string"}}),
        ({"kind": "cat"},),
    )
    yield (
        "enum behind a reference",
        {"$defs": {"C": {"enum": ["x", "y"]}}, **_object({"c": {"$ref": "#/$defs/C"}})},
        ({"c": "x"},),
    )
    yield (
        "oneOf of constants",
        {"oneOf": [{"const": 1, "title": "low"}, {"const": 2, "title": "high"}]},
        (1, 2),
    )


def _texts() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    for name, pattern, values in (
        ("code", "^[A-Z]{2}[0-9]{3}$", ("AB123",)),
        ("word", r"^\w+$", ("Müller", "abc", "a_1", "東京")),
        ("digits", r"^\d{4}$", ("2026", "٢٠٢٦")),
        ("no digit", r"^\D+$", ("abc", "ü")),
        ("letters", r"^\p{L}+$", ("Zürich",)),
        ("named group", r"^(?<year>[0-9]{4})-(?<month>[0-9]{2})$", ("2026-11",)),
        ("unanchored", "ab", ("xaby", "ab")),
        ("alternatives", "^(cat|dog)s?$", ("cat", "dogs")),
        ("look-ahead", "^(?=.*[0-9]).{2,}$", ("a1",)),
        ("back reference", r"^(a|b)\1$", ("aa",)),
        ("word boundary", r"\bfoo\b", ("a foo",)),
        ("white space", r"^\S+( \S+)*$", ("a b",)),
        ("class of escapes", r"^[\w.\-]+$", ("a.b-c", "ö")),
        ("slash", "^a/b$", ("a/b",)),
        ("empty", "^$", ("",)),
        ("lazy", "^.*?x$", ("abx",)),
        ("hex", "^#[0-9a-fA-F]{6}$", ("#00ffAA",)),
    ):
        yield f"pattern: {name}", {"type": "string", "pattern": pattern}, values
    yield (
        "pattern and length",
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 4},
        ("ab", "abcd"),
    )
    for name, values in (
        ("date", ("2026-02-28", "2024-02-29")),
        ("date-time", ("2026-05-01T12:00:00", "2026-05-01T12:00:00Z", "2026-05-01T12:00:00.123456+02:00")),
        ("time", ("12:30:00", "12:30:00Z")),
        ("duration", ("PT1H", "P1DT12H", "P2W")),
        ("email", ("a.b+c@example.org",)),
        ("hostname", ("example.org",)),
        ("ipv4", ("127.0.0.1",)),
        ("ipv6", ("::1", "2001:db8::8a2e:370:7334")),
        ("uri", ("https://example.org/a?b=c#d", "urn:isbn:0451450523")),
        ("uuid", ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",)),
        ("phone", ("+41 44 000 00 00",)),
        ("binary", ("YQ==",)),
        ("password", ("secret",)),
        ("regex", ("a+",)),
        ("idn-email", ("ü@example.org",)),
        ("uri-reference", ("/a/b",)),
        ("json-pointer", ("/a/0",)),
    ):
        yield f"format: {name}", {"type": "string", "format": name}, values
    yield (
        "format and pattern",
        {"type": "string", "format": "email", "pattern": "@example[.]org$"},
        ("a@example.org",),
    )
    yield (
        "content encoding",
        {"type": "string", "contentEncoding": "base64", "contentMediaType": "text/plain"},
        ("YQ==",),
    )


def _lists() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    yield "list of texts", {"type": "array", "items": _TEXT}, ([], ["a", "b"])
    yield (
        "list of some length",
        {"type": "array", "items": _WHOLE, "minItems": 1, "maxItems": 3},
        ([1], [1, 2, 3]),
    )
    yield "list at least", {"type": "array", "minItems": 2}, ([1, "a"], [None, None, {}])
    yield "set of pydantic", {"type": "array", "items": _WHOLE, "uniqueItems": True}, ([1, 2],)
    yield "uniqueItems false", {"type": "array", "items": _WHOLE, "uniqueItems": False}, ([1, 1],)
    yield (
        "tuple",
        {"type": "array", "prefixItems": [_TEXT, _WHOLE], "minItems": 2, "maxItems": 2},
        (["a", 1],),
    )
    yield "tuple, closed", {"type": "array", "prefixItems": [_TEXT], "items": False}, (["a"],)
    yield (
        "tuple of draft 7",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [_TEXT, _WHOLE],
            "additionalItems": False,
        },
        (["a", 1],),
    )
    yield "contains", {"type": "array", "contains": {"const": 1}}, ([1, 2],)
    yield (
        "contains some",
        {"type": "array", "contains": _WHOLE, "minContains": 1, "maxContains": 2},
        ([1, "a"],),
    )
    yield "list of lists", {"type": "array", "items": {"type": "array", "items": _NUMBER}}, ([[1, 2.5], []],)
    yield "list of objects", {"type": "array", "items": _PERSON}, ([{"name": "A"}, {"name": "B", "age": 3}],)
    yield (
        "list of enums",
        {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
        (["a", "b"], []),
    )
    yield "list of either", {"type": "array", "items": {"anyOf": [_WHOLE, _TEXT]}}, ([1, "a"],)


def _objects() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    yield "person", _PERSON, ({"name": "A"}, {"name": "A", "age": 3})
    yield "closed", _PERSON | {"additionalProperties": False}, ({"name": "A", "age": 3},)
    yield "open", _PERSON | {"additionalProperties": True}, ({"name": "A", "x": [1]},)
    yield "map", {"type": "object", "additionalProperties": _WHOLE}, ({}, {"a": 1, "b": 2})
    yield "map of objects", {"type": "object", "additionalProperties": _PERSON}, ({"x": {"name": "A"}},)
    yield (
        "named by pattern",
        {"type": "object", "patternProperties": {"^x-": _TEXT}, "additionalProperties": False},
        ({"x-a": "1"},),
    )
    yield (
        "named by Unicode pattern",
        {"type": "object", "patternProperties": {r"^\w+$": _WHOLE}, "additionalProperties": False},
        ({"größe": 1},),
    )
    yield (
        "named by look-ahead",
        {"type": "object", "patternProperties": {"^(?!_)": _WHOLE}, "additionalProperties": False},
        ({"a": 1},),
    )
    yield "property names", {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}, ({"a": 1},)
    yield "at least one", _object({"a": _WHOLE, "b": _WHOLE}, minProperties=1), ({"a": 1}, {"b": 2})
    yield "at most one", _object({"a": _WHOLE, "b": _WHOLE}, maxProperties=1), ({"a": 1},)
    yield (
        "dependencies",
        _object({"a": _WHOLE, "b": _WHOLE}, dependencies={"a": ["b"]}),
        ({"a": 1, "b": 2}, {}),
    )
    yield (
        "dependent required",
        _object({"a": _WHOLE, "b": _WHOLE}, dependentRequired={"a": ["b"]}),
        ({"a": 1, "b": 2},),
    )
    yield (
        "dependent schemas",
        _object({"a": _WHOLE}, dependentSchemas={"a": {"required": ["b"]}}),
        ({"a": 1, "b": 2},),
    )
    yield (
        "if then",
        _object({"a": _TEXT, "b": _WHOLE}, **{"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
        ({"a": "x", "b": 1},),
    )
    yield (
        "if then else",
        _object(
            {"a": _TRUTH},
            **{"if": {"properties": {"a": {"const": True}}}, "then": {"required": ["a"]}, "else": {}},
        ),
        ({"a": True},),
    )
    yield "not", {"type": "string", "not": {"const": "forbidden"}}, ("fine",)
    yield (
        "not required",
        _object({"a": _WHOLE, "b": _WHOLE}, **{"not": {"required": ["a", "b"]}}),
        ({"a": 1},),
    )
    yield "unevaluated", _object({"a": _WHOLE}, unevaluatedProperties=False), ({"a": 1},)
    yield "required but undeclared", {"type": "object", "required": ["a"]}, ({"a": 1},)
    yield (
        "quoted names",
        _object({'a"b': _WHOLE, "c d": _WHOLE, "é": _WHOLE}, required=["é"]),
        ({'a"b': 1, "c d": 2, "é": 3},),
    )
    yield (
        "nested",
        _object({"a": _object({"b": _object({"c": _WHOLE}, required=["c"])})}),
        ({"a": {"b": {"c": 1}}},),
    )
    yield (
        "many fields",
        _object({f"field_{n}": _WHOLE for n in range(30)}),
        ({f"field_{n}": n for n in range(30)},),
    )
    yield (
        "extensions",
        _object({"a": _WHOLE | {"x-order": 1}}, **{"x-internal": True, "$comment": "c"}),
        ({"a": 1},),
    )
    yield "nullable of OpenAPI", _object({"a": {"type": "string", "nullable": True}}), ({"a": "x"},)
    yield "read only", _object({"a": _TEXT | {"readOnly": True, "deprecated": True}}), ({"a": "x"},)


def _combined() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    cat = _object({"kind": {"const": "cat"}, "lives": _WHOLE}, required=["kind", "lives"])
    dog = _object({"kind": {"const": "dog"}, "name": _TEXT}, required=["kind", "name"])
    both = ({"kind": "cat", "lives": 9}, {"kind": "dog", "name": "Rex"})
    yield "anyOf", {"anyOf": [_TEXT, _WHOLE]}, ("a", 1)
    yield (
        "optional of pydantic",
        _object({"a": {"anyOf": [_TEXT, {"type": "null"}], "default": None}}),
        ({"a": None}, {"a": "x"}),
    )
    yield "oneOf, disjoint", {"oneOf": [_TEXT, _WHOLE]}, ("a", 1)
    yield (
        "oneOf, overlapping",
        {"oneOf": [{"type": "number", "maximum": 5}, {"type": "number", "minimum": 3}]},
        (1, 9),
    )
    yield (
        "oneOf of reference and null",
        {"$defs": {"P": _PERSON}, "oneOf": [{"$ref": "#/$defs/P"}, {"type": "null"}]},
        ({"name": "A"}, None),
    )
    yield "union by tag", {"oneOf": [cat, dog], "discriminator": {"propertyName": "kind"}}, both
    yield (
        "union by tag, references",
        {"$defs": {"Cat": cat, "Dog": dog}, "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
        both,
    )
    yield "union by tag, anyOf", {"anyOf": [cat, dog]}, both
    yield "list of a union", {"type": "array", "items": {"oneOf": [cat, dog]}}, (list(both),)
    yield (
        "allOf",
        {"allOf": [_PERSON, _object({"city": _TEXT}, required=["city"])]},
        ({"name": "A", "city": "B"},),
    )
    yield (
        "allOf of a reference",
        {"$defs": {"P": _PERSON}, "allOf": [{"$ref": "#/$defs/P"}], "description": "d"},
        ({"name": "A"},),
    )
    yield (
        "inheritance of OpenAPI",
        {
            "definitions": {"Base": _PERSON},
            "allOf": [{"$ref": "#/definitions/Base"}, _object({"job": _TEXT})],
        },
        ({"name": "A", "job": "b"},),
    )
    yield (
        "bounds and anyOf",
        {"type": "number", "maximum": 0.25, "anyOf": [{"minimum": 0}, {"maximum": -1}]},
        (0.2, -1),
    )
    yield "enum and anyOf", {"enum": ["a", "b", 1], "anyOf": [_TEXT, _WHOLE]}, ("a", 1)
    yield (
        "anyOf of required",
        _object({"a": _WHOLE, "b": _WHOLE}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
        ({"a": 1}, {"b": 1}),
    )


def _references() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    tree = {
        "type": "object",
        "properties": {"value": _WHOLE, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["value"],
    }
    yield "tree", tree, ({"value": 1, "children": [{"value": 2, "children": []}]},)
    yield (
        "linked list",
        {
            "$defs": {
                "N": _object({"v": _WHOLE, "next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}})
            },
            "$ref": "#/$defs/N",
        },
        ({"v": 1, "next": {"v": 2, "next": None}},),
    )
    yield (
        "anchor",
        {"$defs": {"A": {"$anchor": "age", "type": "integer"}}, **_object({"a": {"$ref": "#age"}})},
        ({"a": 1},),
    )
    yield (
        "bundled",
        {
            "$id": "https://example.org/root",
            "$defs": {"A": {"$id": "https://example.org/age", "type": "integer"}},
            **_object({"a": {"$ref": "https://example.org/age"}}),
        },
        ({"a": 1},),
    )
    yield (
        "bundled, relative",
        {
            "$id": "https://example.org/root",
            "$defs": {"A": {"$id": "age", "type": "integer"}},
            **_object({"a": {"$ref": "age"}}),
        },
        ({"a": 1},),
    )
    yield (
        "own address",
        {
            "$id": "https://example.org/root",
            "$defs": {"A": {"type": "integer"}},
            **_object({"a": {"$ref": "https://example.org/root#/$defs/A"}}),
        },
        ({"a": 1},),
    )
    yield (
        "escaped pointer",
        {
            "$defs": {"a/b": {"type": "integer"}, "c~d": {"type": "string"}},
            **_object({"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#/$defs/c~0d"}}),
        },
        ({"x": 1, "y": "a"},),
    )
    yield (
        "chain",
        {
            "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"type": "integer"}},
            **_object({"a": {"$ref": "#/$defs/A"}}),
        },
        ({"a": 1},),
    )
    yield (
        "draft 4",
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "definitions": {"A": {"type": "integer"}},
            **_object({"a": {"$ref": "#/definitions/A"}}),
        },
        ({"a": 1},),
    )
    yield (
        "reference beside bounds",
        {"$defs": {"A": {"type": "number"}}, **_object({"a": {"$ref": "#/$defs/A", "maximum": 0.25}})},
        ({"a": 0.2},),
    )


def _tools() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    weather = _object(
        {"city": _TEXT, "unit": {"enum": ["C", "F"]}}, required=["city"], additionalProperties=False
    )
    call = _object({"name": {"const": "get_weather"}, "arguments": weather}, required=["name", "arguments"])
    yield "tool call", call, ({"name": "get_weather", "arguments": {"city": "Bern", "unit": "C"}},)
    yield "strict function", weather | {"required": ["city", "unit"]}, ({"city": "Bern", "unit": "F"},)
    yield (
        "calls",
        {"type": "array", "items": call, "maxItems": 3},
        ([{"name": "get_weather", "arguments": {"city": "B"}}],),
    )
    yield "no arguments", _object({}, additionalProperties=False), ({},)
    yield (
        "reason before answer",
        _object({"reason": _TEXT, "answer": _TRUTH}, required=["reason", "answer"]),
        ({"reason": "r", "answer": True},),
    )
    yield (
        "spans",
        _object(
            {
                "spans": {
                    "type": "array",
                    "items": _object(
                        {"start": _WHOLE, "end": _WHOLE, "label": {"enum": ["PER", "LOC"]}},
                        required=["start", "end", "label"],
                    ),
                }
            }
        ),
        ({"spans": [{"start": 0, "end": 3, "label": "PER"}]},),
    )
    invoice = _object(
        {
            "number": {"type": "string", "pattern": "^[A-Z]-[0-9]+$"},
            "date": {"type": "string", "format": "date"},
            "total": {"type": "number", "minimum": 0, "multipleOf": 0.01},
            "lines": {"type": "array", "items": _object({"text": _TEXT, "amount": _NUMBER})},
        },
        required=["number", "total"],
    )
    yield (
        "invoice",
        invoice,
        (
            {
                "number": "A-17",
                "date": "2026-11-29",
                "total": 19.99,
                "lines": [{"text": "x", "amount": 19.99}],
            },
        ),
    )
    yield (
        "confidence",
        _object(
            {
                "label": {"enum": ["yes", "no"]},
                "confidence": {"type": "number", "minimum": 0.0, "maximum": 1.0},
            },
            required=["label", "confidence"],
        ),
        ({"label": "yes", "confidence": 0.75},),
    )
    yield (
        "decimal of pydantic",
        _object(
            {"amount": {"anyOf": [_NUMBER, {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}]}}
        ),
        ({"amount": 1.5}, {"amount": "1.50"}),
    )


CASES = tuple(
    Case(*case)
    for part in (_scalars, _choices, _texts, _lists, _objects, _combined, _references, _tools)
    for case in part()
)

"""pydantic models as people write them for extraction, tool calls and settings, each with instances."""

from __future__ import annotations

import datetime as dt
import enum
import ipaddress
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    NaiveDatetime,
    NonNegativeFloat,
    PositiveInt,
    RootModel,
    SecretStr,
    StrictBool,
    StringConstraints,
    conlist,
    constr,
    create_model,
)

Code = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-\d{3,5}$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Color(enum.Enum):
    red = "red"
    deep_blue = "deep blue"


class Level(enum.IntEnum):
    low = 1
    high = 10


class Mixed(enum.Enum):
    text = "a"
    whole = 1
    half = 0.5


class Address(BaseModel):
    street: str
    city: str
    postcode: Annotated[str, StringConstraints(pattern=r"^[0-9]{4,5}$")] | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=0, le=9)]


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str
    tail: float | None = None


class Tree(BaseModel):
    value: int
    children: list[Tree] = []


class Linked(BaseModel):
    next: Linked | None = None
    label: str


class Point(NamedTuple):
    x: float
    y: float


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    full_name: str = Field(alias="fullName")
    from_: str = Field(alias="from")


class Tool(BaseModel):
    name: Literal["search", "open"]
    arguments: dict[str, str | int | bool | None]


def _fields() -> Iterator[tuple[str, Any, tuple[Any, ...]]]:
    """Types of one field, with values."""
    yield "decimal", Decimal, (Decimal("19.99"), Decimal("-0.5"), Decimal("1E+3"))
    yield (
        "decimal of places",
        Annotated[Decimal, Field(max_digits=6, decimal_places=2)],
        (Decimal("1234.50"), Decimal(0)),
    )
    yield "bounded decimal", Annotated[Decimal, Field(ge=0, lt=100)], (Decimal("99.99"), Decimal(0))
    yield "code", Code, ("AB-123", "ZZ-99999")
    yield "lower", constr(pattern=r"^[a-z_]\w*$", max_length=12), ("abc", "_x", "größe")
    yield "word", Annotated[str, StringConstraints(min_length=1, max_length=5)], ("a", "日本語", "ab cd")
    yield "share", Share, (0.0, 0.25, 1.0, 0.123456789)
    yield "open share", Annotated[float, Field(gt=0, lt=1)], (0.5, 0.001)
    yield "temperature", Annotated[float, Field(ge=-273.15)], (-273.15, 20.0, 36.6)
    yield "step", Annotated[float, Field(multiple_of=0.25, ge=0)], (0.25, 3.5)
    yield "positive", PositiveInt, (1, 10**12)
    yield "not negative", NonNegativeFloat, (0.0, 3.5)
    yield "port", Annotated[int, Field(ge=1, le=65535)], (1, 443, 65535)
    yield "big", Annotated[int, Field(ge=-(2**53), le=2**53)], (2**53, -(2**53), 0)
    yield (
        "when",
        dt.datetime,
        (dt.datetime(2026, 5, 1, 12), dt.datetime(2026, 5, 1, 12, 0, 0, 1200, tzinfo=dt.UTC)),
    )
    yield (
        "aware",
        AwareDatetime,
        (dt.datetime(2026, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),),
    )
    yield "naive", NaiveDatetime, (dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))
    yield "day", dt.date, (dt.date(2024, 2, 29), dt.date(1900, 1, 1))
    yield "clock", dt.time, (dt.time(9, 30), dt.time(23, 59, 59, 999999))
    yield "lasting", dt.timedelta, (dt.timedelta(days=1, hours=2), dt.timedelta(seconds=-1.5), dt.timedelta())
    yield "uuid", uuid.UUID, (uuid.UUID(int=1), uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"))
    yield "ipv4", ipaddress.IPv4Address, (ipaddress.IPv4Address("10.0.0.1"),)
    yield "ipv6", ipaddress.IPv6Address, (ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("::"))
    yield "network", ipaddress.IPv4Network, (ipaddress.IPv4Network("10.0.0.0/8"),)
    yield "url", AnyUrl, (AnyUrl("https://example.org/a?b=c"), AnyUrl("postgres://u:p@host/db"))
    yield "bytes", bytes, (b"abc",)
    yield "base64", Base64Bytes, (b"aGVsbG8=",)
    yield "secret", SecretStr, ("x",)
    yield "strict", StrictBool, (True, False)
    yield "color", Color, (Color.red, Color.deep_blue)
    yield "level", Level, (Level.low, Level.high)
    yield "mixed", Mixed, (Mixed.half, Mixed.text, Mixed.whole)
    yield "literal of texts", Literal["a", "b c", "ü"], ("a", "ü")
    yield "literal of numbers", Literal[1, 2, -3], (1, -3)
    yield "literal of kinds", Literal["1", 1, True, None], ("1", None)
    yield "one literal", Literal["only"], ("only",)
    yield "optional list", list[int] | None, (None, [], [1, 2])
    yield "optional model", Address | None, (None, Address(street="a", city="b", postcode="8000"))
    yield "nested optionals", list[list[str | None] | None] | None, (None, [None, ["a", None]])
    yield "map", dict[str, int], ({}, {"a": 1, "b c": -2})
    yield "map of lists", dict[str, list[tuple[int, str]]], ({"a": [(1, "x")]}, {})
    yield "pairs", list[tuple[int, str]], ([], [(1, "a"), (2, "b")])
    yield "triple", tuple[int, str, float | None], ((1, "a", None), (2, "b", 0.5))
    yield "any tuple", tuple[int, ...], ((), (1, 2, 3))
    yield "named tuple", Point, (Point(1.5, -2.0),)
    yield "few", conlist(int, min_length=1, max_length=3), ([1], [1, 2, 3])
    yield (
        "pets",
        list[Annotated[Cat | Dog, Field(discriminator="kind")]],
        ([Cat(kind="cat", lives=9), Dog(kind="dog", name="R")],),
    )
    yield "either pet", Cat | Dog, (Cat(kind="cat", lives=0), Dog(kind="dog", name="x", tail=0.1))
    yield "tree", Tree, (Tree(value=1, children=[Tree(value=2)]),)
    yield "linked", Linked, (Linked(label="a", next=Linked(label="b")),)
    yield "closed", Closed, (Closed(a=1), Closed(a=2, b="x"))
    yield "open", Open, (Open(a=1), Open.model_validate({"a": 1, "z": [1]}))
    yield "renamed", Renamed, (Renamed(fullName="a", **{"from": "b"}),)
    yield "tool", Tool, (Tool(name="search", arguments={"q": "x", "n": 1, "deep": True, "none": None}),)
    yield "anything", Any, (None, 1, {"a": [1]})
    yield "json", Json[list[int]], ("[1,2]",)
    yield "union of numbers", int | float | str, (1, 0.5, "x")
    yield "described", Annotated[int, Field(description="how many", examples=[3], title="Count")], (3,)


def models() -> Iterator[tuple[str, type[BaseModel], tuple[BaseModel, ...]]]:
    """Every field in a model of its own, and roots that are no objects."""
    for name, kind, values in _fields():
        model = create_model(f"With_{name.replace(' ', '_')}", item=(kind, ...), after=(str, "end"))
        yield name, model, tuple(model(item=value) for value in values)
    for name, kind, values in (
        ("root list", list[int], ([], [1, 2])),
        ("root map", dict[str, Share], ({}, {"a": 0.5})),
        ("root union", Annotated[Cat | Dog, Field(discriminator="kind")], (Cat(kind="cat", lives=1),)),
        ("root color", Color, (Color.red,)),
        ("root date", dt.date, (dt.date(2026, 11, 29),)),
        ("root optional", Address | None, (None, Address(street="a", city="b"))),
    ):
        model = RootModel[kind]  # type: ignore[valid-type]
        yield name, model, tuple(model(value) for value in values)


def openapi_and_tools() -> Iterator[tuple[str, dict[str, Any], tuple[Any, ...]]]:
    """Definitions that are written by hand."""
    money = {
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": {"type": "string", "pattern": r"^-?\d+(\.\d{1,2})?$"},
            "currency": {"type": "string", "minLength": 3, "maxLength": 3},
        },
    }
    yield "money", money, ({"amount": "-12.50", "currency": "CHF"},)
    yield (
        "price list",
        {"type": "object", "additionalProperties": money},
        ({"a": {"amount": "1", "currency": "EUR"}},),
    )
    yield (
        "order",
        {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                {"type": "object", "properties": {"total": money}},
            ],
            "components": {
                "schemas": {
                    "Base": {
                        "type": "object",
                        "properties": {"id": {"type": "string", "format": "uuid"}},
                        "required": ["id"],
                    }
                }
            },
        },
        ({"id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},),
    )
    yield (
        "weather tool",
        {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 14, "default": 3},
            },
            "required": ["location", "unit"],
            "additionalProperties": False,
        },
        ({"location": "Köln", "unit": "celsius"}, {"location": "x", "unit": "fahrenheit", "days": 14}),
    )
    yield (
        "strict tool",
        {
            "type": "object",
            "properties": {
                "email": {"type": ["string", "null"], "format": "email"},
                "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z-]+$"}, "maxItems": 3},
            },
            "required": ["email", "tags"],
            "additionalProperties": False,
        },
        ({"email": None, "tags": ["a-b"]}, {"email": "a@example.org", "tags": []}),
    )
    yield (
        "filter",
        {
            "$defs": {
                "F": {
                    "anyOf": [
                        {
                            "type": "object",
                            "properties": {"and": {"type": "array", "items": {"$ref": "#/$defs/F"}}},
                            "required": ["and"],
                            "additionalProperties": False,
                        },
                        {
                            "type": "object",
                            "properties": {
                                "field": {"type": "string"},
                                "op": {"enum": ["=", "<", ">"]},
                                "value": {"type": ["string", "number"]},
                            },
                            "required": ["field", "op", "value"],
                            "additionalProperties": False,
                        },
                    ]
                }
            },
            "$ref": "#/$defs/F",
        },
        ({"and": [{"field": "a", "op": "<", "value": 1.5}]},),
    )

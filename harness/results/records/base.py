"""What the records share: read from JSON, changed, and written back with everything they came with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from pydantic import ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from harness.core import json_types
from harness.core.validation import adapter

if TYPE_CHECKING:
    JsonObject: TypeAlias = json_types.JsonObject
    JsonValue: TypeAlias = json_types.JsonValue
else:
    # JSON whose shape is up to its writer (a kind's settings, an example's input): not checked when read.
    JsonObject = JsonValue = Any
T = TypeVar("T")
LENIENT = ConfigDict(coerce_numbers_to_str=True)


class Lenient:
    """An id that is a number in JSON is read as text."""

    __slots__ = ()
    __pydantic_config__ = LENIENT


@dataclass(frozen=True, kw_only=True)
class Record(Lenient):
    """A JSON object of a results folder, its known fields typed. `raw` holds all of it, unknown fields included."""

    raw: JsonObject = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, raw: Mapping[str, object]) -> Self:
        """A record from its JSON; null counts as absent.

        Raises:
            ValueError: not an object, or a known field has another type.
        """
        record: Self = adapter(cls).validate_python(raw)
        return record

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Nested records also keep the JSON they were made from."""
        return core_schema.no_info_before_validator_function(_with_raw, handler(source))

    def to_json(self) -> json_types.JsonObject:
        """The JSON it was made from, unknown fields included."""
        return self.raw

    def changed(self, **fields: object) -> Self:
        """The record with other values, given as JSON, for some of its fields."""
        return self.of({**self.raw, **fields})


def _with_raw(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: item for name, item in value.items() if item is not None} | {"raw": value}

"""JSON that satisfies a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from harness.core.json_types import JsonObject
from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks import key_order
from harness.tasks.formats import _extract, _plain, _schema


@dataclass(frozen=True, kw_only=True)
class JsonSchema(Format):
    """The reason of an invalid answer is the schema's best match, with its path in the value."""

    paper = "JSON Schema 2020-12, https://json-schema.org/draft/2020-12"
    version = 2

    schema: Mapping[str, object]

    def __post_init__(self) -> None:
        _schema.compile_schema(self.schema)

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(
            settings={
                "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
            },
            targets=({"a": 1}, {"a": -3, "b": ["ü", None, {"": 0.5}]}),
        )

    def parse(self, text: str) -> Parsed | Invalid:
        try:
            value = json.loads(text, parse_constant=_refuse)
        except RecursionError:
            return Invalid("not JSON: nested too deeply")
        except ValueError as error:
            return Invalid(f"not JSON: {error}")
        return _plain.fault(value) or _schema.check(value, self.schema)

    def extract(self, text: str) -> Parsed | Invalid | None:
        """The last object or list that satisfies the schema."""
        parts = _extract.json_parts(text)
        objects = [part for part in parts if part.startswith("{")]
        return _extract.last_valid(
            objects if objects and self.schema.get("type") == "object" else parts, self.parse
        )

    def begun(self, text: str) -> bool:
        scalar = self.schema.get("type", "object") not in ("object", "array")
        return scalar or "{" in text or "[" in text

    def render(self, target: object) -> str:
        ordered = key_order.ordered_value(self.schema, target)
        return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))

    def in_order_of(self, targets: Sequence[object]) -> JsonSchema:
        return replace(self, schema=key_order.ordered_schema(self.schema, targets))

    def constraint(self) -> Constraint:
        return Constraint(kind="json_schema", value=cast(JsonObject, self.schema))


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

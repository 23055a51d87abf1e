"""JSON that satisfies a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Constraint, Invalid, Parsed
from harness.tasks.formats import _extract, _plain, _schema


@dataclass(frozen=True, kw_only=True)
class JsonSchema(Format):
    """The reason of an invalid answer is the schema's best match, with its path in the value."""

    paper = "JSON Schema 2020-12, https://json-schema.org/draft/2020-12"

    schema: Mapping[str, Any]

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

    def extract(self, text: str) -> str | None:
        return _extract.json_part(_extract.fenced(text) or text) or _extract.json_part(text)

    def begun(self, text: str) -> bool:
        scalar = self.schema.get("type", "object") not in ("object", "array")
        return scalar or "{" in text or "[" in text

    def render(self, target: object) -> str:
        return json.dumps(target, ensure_ascii=False, separators=(",", ":"))

    def constraint(self) -> Constraint:
        return Constraint(kind="json_schema", value=self.schema)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""YAML, optionally under a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from harness.core.protocols import Format
from harness.core.values import Invalid, Parsed
from harness.formats import _extract, _schema

MAX_CHARS = 100_000
"""Longer answers are refused unread: aliases can make a short text an exponentially large value."""


@dataclass(frozen=True, kw_only=True)
class Yaml(Format):
    """Safely loaded; a mapping or a list, so that a plain sentence is not taken for an answer."""

    paper = "YAML 1.1 as PyYAML reads it, https://yaml.org/spec/1.1/"

    schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.schema is not None:
            _schema.compile_schema(self.schema)

    def parse(self, text: str) -> Parsed | Invalid:
        if len(text) > MAX_CHARS:
            return Invalid(f"{len(text)} characters, at most {MAX_CHARS} are read")
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    return Invalid("aliases are not allowed")
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            return Invalid(f"not YAML: {str(error).splitlines()[0][:200]}")
        if not isinstance(value, dict | list):
            return Invalid(f"a mapping or a list is wanted, not {type(value).__name__}")
        return Parsed(value) if self.schema is None else _schema.check(value, self.schema)

    def extract(self, text: str) -> str | None:
        return _extract.fenced(text)

    def render(self, target: Any) -> str:
        return yaml.safe_dump(target, sort_keys=False, allow_unicode=True).strip()

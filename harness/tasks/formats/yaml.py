"""YAML, optionally under a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import yaml

from harness.core.probes import FormatProbe
from harness.core.protocols import Format
from harness.core.values import Invalid, Parsed
from harness.tasks import key_order
from harness.tasks.formats import _extract, _plain, _schema

_BEGUN = re.compile(r"^[ \t]*(?:- |[\w\"'-]{1,60}[ \t]*:(?:[ \t]|$))", re.MULTILINE)
MAX_CHARS = 20_000
"""Longer answers are refused unread: PyYAML needs time that grows with the square of some texts."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, except that a date stays text: JSON has no dates."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class reads it from the class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, except that a Unicode line break is written as an escape: between single
    quotes it would be read back as a space."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


@dataclass(frozen=True, kw_only=True)
class Yaml(Format):
    """A mapping or a list of JSON values, so that a plain sentence is not taken for an answer."""

    paper = "YAML 1.1 as PyYAML reads it, https://yaml.org/spec/1.1/"
    version = 2

    schema: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if self.schema is not None:
            _schema.compile_schema(self.schema)

    @classmethod
    def probe(cls) -> FormatProbe:
        return FormatProbe(
            targets=(
                {"a": 1, "b": [True, "x: y"]},
                ["one", "2", "null", "2024-01-01", "line\n\nline\n"],
                {},
                [],
            )
        )

    def parse(self, text: str) -> Parsed | Invalid:
        if len(text) > MAX_CHARS:
            return Invalid(f"{len(text)} characters, at most {MAX_CHARS} are read")
        try:
            refused = _refused(text)
            if refused:
                return Invalid(refused)
            value = yaml.load(text, Loader=_Loader)  # a subclass of the safe loader
        except (yaml.YAMLError, ValueError) as error:
            return Invalid(f"not YAML: {(str(error).splitlines() or [''])[0][:200]}")
        if not isinstance(value, dict | list):
            return Invalid(f"a mapping or a list is wanted, not {type(value).__name__}")
        reason = _plain.fault(value)
        if reason is not None or self.schema is None:
            return reason or Parsed(value)
        return _schema.check(value, self.schema)

    def extract(self, text: str) -> Parsed | Invalid | None:
        """The last code fence that is valid."""
        return _extract.last_valid(_extract.fences(text), self.parse)

    def begun(self, text: str) -> bool:
        """A key with its colon or an item with its dash at the beginning of a line."""
        return bool(_BEGUN.search(text))

    def in_order_of(self, targets: Sequence[object]) -> Yaml:
        return (
            self
            if self.schema is None
            else replace(self, schema=key_order.ordered_schema(self.schema, targets))
        )

    def render(self, target: object) -> str:
        ordered = target if self.schema is None else key_order.ordered_value(self.schema, target)
        return yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True).strip("\n")


def _refused(text: str) -> str:
    """What in YAML is more than plain data: aliases (which can be a bomb), tags, and excessive nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            return "aliases are not allowed"
        if (tag := getattr(event, "tag", None)) is not None:
            return f"the tag {tag} is not allowed"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _plain.MAX_DEPTH:
            return f"nested more than {_plain.MAX_DEPTH} deep"
    return ""

"""JSON Schema checks that are the same for every format that has a schema.

A schema may come from a stranger and an answer from a model: references to other documents are
refused, size and depth are bounded, and a check stops when it has followed too many references or
matched one pattern for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import jsonschema
import regex as engine
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from harness.core.json_types import JsonObject
from harness.core.keys import canonical_json
from harness.core.values import Invalid, Parsed

MAX_DEPTH = 64
"""Levels of a schema: checking it, and compiling it for constrained decoding, recurse."""
MAX_VALUES = 20_000
"""Values in a schema."""
MAX_REFERENCES = 10_000
"""References followed in one check: a few lines of schema can double them at every level."""
TIMEOUT = 0.5
"""Seconds for one match of a pattern."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_followed: ContextVar[int] = ContextVar("followed", default=0)


class _TooMuchError(Exception):
    """The check exceeded its time limit."""


def check(value: Any, schema: Mapping[str, object]) -> Parsed | Invalid:
    """`value` under `schema`; the reason names the error, `path` the place in the value."""
    _followed.set(0)
    try:
        error = jsonschema.exceptions.best_match(_validator(canonical_json(schema)).iter_errors(value))
    except (RecursionError, Unresolvable, _TooMuchError, engine.error) as problem:
        return Invalid(f"the schema cannot be checked: {str(problem)[:200]}")
    except TimeoutError:
        return Invalid(f"the schema cannot be checked: a pattern took longer than {TIMEOUT} s")
    if error is None:
        return Parsed(value)
    return Invalid(error.message[:300], error.json_path)


def compile_schema(schema: Mapping[str, object]) -> None:
    """Reject a schema that cannot be used.

    Raises:
        ValueError: not a valid schema, too large, or one that refers to another document.
    """
    names: set[str] = set()
    for part in _parts(schema):
        names |= part.keys()
        for name in _REFERENCES:
            reference = part.get(name)
            if isinstance(reference, str) and not reference.startswith("#"):
                raise ValueError(f"remote {name} '{reference}' is refused: a schema must be self-contained")
    if {"patternProperties", "unevaluatedProperties"} <= names:
        # The library matches these names without a timeout.
        raise ValueError(
            "patternProperties beside unevaluatedProperties is refused: use additionalProperties"
        )
    cls = jsonschema.validators.validator_for(dict(schema), default=jsonschema.Draft202012Validator)
    try:
        cls.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise ValueError(f"not a JSON Schema at {error.json_path}: {error.message}") from None


def _parts(schema: object) -> Iterator[Mapping[str, object]]:
    """Every mapping in a schema, level by level."""
    level, size = [schema], 0
    for _ in range(MAX_DEPTH):
        yield from (value for value in level if isinstance(value, Mapping))
        lists = [value.values() if isinstance(value, Mapping) else value for value in level]
        level = [part for inner in lists if not isinstance(inner, str) for part in _items(inner)]
        size += len(level)
        if not level:
            return
        if size > MAX_VALUES:
            raise ValueError(f"a schema of more than {MAX_VALUES} values is refused")
    raise ValueError(f"a schema of more than {MAX_DEPTH} levels is refused")


def _items(value: object) -> list[object]:
    return [] if not hasattr(value, "__iter__") else list(value)


@lru_cache(maxsize=64)
def _validator(text: str) -> Validator:
    import json

    schema = json.loads(text)
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    changed = {name: _counted(cls.VALIDATORS[name]) for name in _REFERENCES if name in cls.VALIDATORS}
    changed |= {"pattern": _pattern, "patternProperties": _named}
    changed["additionalProperties"] = _additional(cls.VALIDATORS["additionalProperties"])
    bounded: type[Validator] = jsonschema.validators.extend(cls, changed)
    return bounded(schema, registry=Registry())


Check = Callable[[Validator, Any, Any, Any], Iterable[jsonschema.ValidationError] | None]
"""What jsonschema calls for a keyword: (validator, the keyword's value, the instance, the schema)."""
Errors = Iterator[jsonschema.ValidationError]


def _counted(follow: Check) -> Check:
    def counted(validator: Validator, reference: object, instance: object, schema: object) -> Errors:
        _followed.set(_followed.get() + 1)
        if _followed.get() > MAX_REFERENCES:
            raise _TooMuchError(f"it follows more than {MAX_REFERENCES} references")
        yield from follow(validator, reference, instance, schema) or ()

    return counted


def _pattern(_: object, pattern: str, instance: object, __: object) -> Errors:
    if isinstance(instance, str) and not engine.search(pattern, instance, timeout=TIMEOUT):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _named(validator: Any, patterns: JsonObject, instance: object, _: object) -> Errors:
    for pattern, inner in patterns.items():
        for name, value in instance.items() if isinstance(instance, dict) else ():
            if engine.search(pattern, name, timeout=TIMEOUT):
                yield from validator.descend(value, inner, path=name, schema_path=pattern)


def _additional(library: Check) -> Check:
    """The library's check of what no pattern names; the names are matched here, in bounded time."""

    def additional(
        validator: Validator, extra: object, instance: object, schema: Mapping[str, Mapping[str, object]]
    ) -> Errors:
        patterns = schema.get("patternProperties", {})
        if patterns and isinstance(instance, dict):
            instance = {name: value for name, value in instance.items() if not _matches(patterns, name)}
            schema = {name: part for name, part in schema.items() if name != "patternProperties"}
        yield from library(validator, extra, instance, schema) or ()

    return additional


def _matches(patterns: Mapping[str, object], name: str) -> bool:
    return any(engine.search(pattern, name, timeout=TIMEOUT) for pattern in patterns)

"""JSON Schema checks that are the same for every format that has a schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from harness.core.keys import canonical_json
from harness.core.values import Invalid, Parsed


def check(value: Any, schema: Mapping[str, Any]) -> Parsed | Invalid:
    """`value` under `schema`; the reason names the error, `path` the place in the value."""
    try:
        error = jsonschema.exceptions.best_match(_validator(canonical_json(schema)).iter_errors(value))
    except (RecursionError, Unresolvable) as problem:
        return Invalid(f"{type(problem).__name__}: {str(problem)[:200]}")
    if error is None:
        return Parsed(value)
    return Invalid(error.message[:300], error.json_path)


def compile_schema(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that cannot be used.

    Raises:
        ValueError: not a valid schema, or one that refers to another document.
    """
    for reference in _references(schema):
        if not reference.startswith("#"):
            raise ValueError(f"remote $ref '{reference}' is refused: a schema must be self-contained")
    cls = jsonschema.validators.validator_for(dict(schema), default=jsonschema.Draft202012Validator)
    try:
        cls.check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise ValueError(f"not a JSON Schema at {error.json_path}: {error.message}") from None


@lru_cache(maxsize=64)
def _validator(text: str) -> Validator:
    import json

    schema = json.loads(text)
    cls = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return cls(schema, registry=Registry())


def _references(schema: Any) -> list[str]:
    if isinstance(schema, Mapping):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [found for value in schema.values() for found in _references(value)]
    if isinstance(schema, list):
        return [found for value in schema for found in _references(value)]
    return []

"""JSON Schema checks that are the same for every format that has a schema.

A schema may come from a stranger and an answer from a model: references to other documents are
refused, size and depth are bounded, and a check stops when it has followed too many references or
matched one pattern for too long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema
import referencing.jsonschema
import regex as engine
from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY as SPECIFICATIONS
from referencing import Resource
from referencing.exceptions import Unresolvable

from harness.core import deadline
from harness.core.formatting import size
from harness.core.json_types import JsonObject
from harness.core.keys import canonical_json
from harness.core.values import Invalid, Parsed
from harness.engines import string_formats

if TYPE_CHECKING:
    from referencing._core import Resolver

MAX_DEPTH = 64
"""Levels of a schema: checking it, and compiling it for constrained decoding, both recurse."""
MAX_VALUES = 20_000
"""Values in a schema."""
MAX_REFERENCES = 10_000
"""References followed in one check: a short schema can double them at every level."""
COMPILING_SECONDS = 20.0
"""Processor seconds in which a schema is checked."""
COMPILING_MEMORY = 2**30
"""Bytes that checking a schema may take."""
MAX_NESTED = 80
"""References within one another: more than values have levels, and few enough that no library runs out of stack."""
TIMEOUT = 0.5
"""Seconds for one match of a pattern."""

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_followed: ContextVar[int] = ContextVar("followed", default=0)
_nested: ContextVar[int] = ContextVar("nested", default=0)


class _TooMuchError(Exception):
    """The check exceeded its time limit."""


def check(value: Any, schema: Mapping[str, object]) -> Parsed | Invalid:
    """`value` under `schema`; the reason names the error, `path` the place in the value."""
    _followed.set(0)
    _nested.set(0)
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
        ValueError: not a valid schema, too large, one that takes too long to check, or one that refers to another
            document.
    """
    try:
        with deadline.within(COMPILING_SECONDS, COMPILING_MEMORY):
            _compile(schema)
    except deadline.TooLargeError:
        raise ValueError(
            f"a schema that takes more than {size(COMPILING_MEMORY)} to check is refused"
        ) from None
    except deadline.TooLongError:
        raise ValueError(
            f"a schema that takes longer than {COMPILING_SECONDS:g} s to check is refused"
        ) from None


def _compile(schema: Mapping[str, object]) -> None:
    names: set[str] = set()
    for part in _parts(schema):
        names |= part.keys()
    patterned = [part["patternProperties"] for part in _parts(schema) if "patternProperties" in part]
    if "unevaluatedProperties" in names and not all(map(_quick, patterned)):
        # Beside unevaluatedProperties the library matches names itself, without a timeout.
        raise ValueError(
            "patternProperties with groups or several repetitions beside unevaluatedProperties is refused: "
            "use additionalProperties"
        )
    cls = jsonschema.validators.validator_for(dict(schema), default=jsonschema.Draft202012Validator)
    try:
        # Without the library's formats: it would check patterns with `re`, which knows neither \p{L} nor (?<name>…).
        check: Callable[..., None] = cls.check_schema  # the protocol does not know the argument
        check(dict(schema), format_checker=jsonschema.FormatChecker(formats=()))
    except jsonschema.SchemaError as error:
        raise ValueError(f"not a JSON Schema at {error.json_path}: {error.message}") from None
    _check_references(cls, schema)
    for pattern in dict.fromkeys(_patterns(schema)):
        try:
            engine.compile(pattern)
        except engine.error as error:
            raise ValueError(f"not a regular expression: {pattern!r}: {error}") from None


def _check_references(cls: type[Validator], schema: Mapping[str, object]) -> None:
    """
    Raises:
        ValueError: a reference to another document, or to nothing.
    """
    draft = referencing.jsonschema.specification_with(
        str(cls.META_SCHEMA.get("$schema", "")), default=referencing.jsonschema.DRAFT202012
    )
    root = draft.create_resource(dict(schema))
    for name, reference in _dangling(root, SPECIFICATIONS.resolver_with_root(root)):
        if reference.startswith("#"):
            raise ValueError(f"{name} '{reference}' points to nothing in this schema")
        raise ValueError(f"remote {name} '{reference}' is refused: a schema must be self-contained")


def _dangling(resource: Resource[Any], resolver: Resolver[Any]) -> Iterator[tuple[str, str]]:
    """References that nothing in the document resolves; an `$id` within it is an address of its own."""
    contents = resource.contents if isinstance(resource.contents, Mapping) else {}
    for name in _REFERENCES:
        reference = contents.get(name)
        if isinstance(reference, str):
            try:
                resolver.lookup(reference)
            except (Unresolvable, ValueError):
                yield name, reference
    for part in resource.subresources():
        yield from _dangling(part, resolver.in_subresource(part))


def unchecked_formats(schema: Mapping[str, object]) -> list[str]:
    """The names under `format` that are ignored, in the schema's order."""
    names = (part.get("format") for part in _parts(schema))
    return list(
        dict.fromkeys(name for name in names if isinstance(name, str) and name not in string_formats.FORMATS)
    )


def _quick(patterns: object) -> bool:
    """Whether no pattern has more than one repetition, or a group: matching then takes negligible time."""
    return isinstance(patterns, Mapping) and all(
        len(re.findall(r"[*+?{]", pattern)) <= 1 and not set("(|") & set(pattern) for pattern in patterns
    )


def _patterns(schema: Mapping[str, object]) -> Iterator[str]:
    for part in _parts(schema):
        pattern, named = part.get("pattern"), part.get("patternProperties")
        if isinstance(pattern, str):
            yield pattern
        yield from named if isinstance(named, Mapping) else ()


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
    changed |= {"pattern": _pattern, "patternProperties": _named, "format": _format, "multipleOf": _multiple}
    changed["additionalProperties"] = _additional(cls.VALIDATORS["additionalProperties"])
    bounded: type[Validator] = jsonschema.validators.extend(cls, changed)
    return bounded(schema, registry=SPECIFICATIONS)


Check = Callable[[Validator, Any, Any, Any], Iterable[jsonschema.ValidationError] | None]
"""The function that jsonschema calls for a keyword: (validator, the keyword's value, the instance, the
schema)."""
Errors = Iterator[jsonschema.ValidationError]


def _counted(follow: Check) -> Check:
    def counted(validator: Validator, reference: object, instance: object, schema: object) -> Errors:
        _followed.set(_followed.get() + 1)
        if _followed.get() > MAX_REFERENCES:
            raise _TooMuchError(f"it follows more than {MAX_REFERENCES} references")
        if _nested.get() > MAX_NESTED:
            raise _TooMuchError(f"it follows more than {MAX_NESTED} references within one another")
        _nested.set(_nested.get() + 1)
        try:
            yield from follow(validator, reference, instance, schema) or ()
        finally:
            _nested.set(_nested.get() - 1)

    return counted


def _pattern(_: object, pattern: str, instance: object, __: object) -> Errors:
    if isinstance(instance, str) and not engine.search(pattern, instance, timeout=TIMEOUT):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _format(_: object, name: str, instance: object, __: object) -> Errors:
    expression = string_formats.pattern(name)
    if expression and isinstance(instance, str) and not engine.search(expression, instance, timeout=TIMEOUT):
        yield jsonschema.ValidationError(f"{instance!r} is not a {name!r}")


def _multiple(_: object, step: float, instance: object, __: object) -> Errors:
    """`multipleOf` for the numbers as they are written: 19.99 is a multiple of 0.01, though the nearest
    doubles are not."""
    if isinstance(instance, int | float) and not isinstance(instance, bool):
        ratio = Fraction(str(instance)) / Fraction(str(step))
        if ratio.denominator != 1:
            yield jsonschema.ValidationError(f"{instance!r} is not a multiple of {step!r}")


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

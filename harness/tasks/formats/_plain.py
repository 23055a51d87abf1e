"""Checks that a parsed answer consists of JSON values that can be serialized again."""

from __future__ import annotations

import math

from harness.core.values import Invalid

MAX_DEPTH = 64
"""Lists and mappings within one another; the check and everything after it recurse."""

MAX_BITS = 1024
"""Digits of a whole number, as many as the largest double has: longer numbers cannot be compared, and past
4,300 digits they cannot be written."""


def fault(value: object, path: str = "$", depth: int = 0) -> Invalid | None:
    """Why `value` is not a plain JSON value, with the path of the offending part; None if it is one.

    NaN, infinities and lone surrogates cannot be written as UTF-8 JSON, so they would stop a run when its
    answers are saved.
    """
    if depth > MAX_DEPTH:
        return Invalid(f"nested more than {MAX_DEPTH} deep", path)
    if isinstance(value, dict):
        parts = [fault(name, path, depth) or _key(name, path) for name in value]
        parts += [fault(part, f"{path}.{name}", depth + 1) for name, part in value.items()]
        return next((part for part in parts if part), None)
    if isinstance(value, list):
        parts = [fault(part, f"{path}[{index}]", depth + 1) for index, part in enumerate(value)]
        return next((part for part in parts if part), None)
    return _leaf(value, path)


def _key(name: object, path: str) -> Invalid | None:
    return None if isinstance(name, str) else Invalid(f"the key {name!r} is not a text", path)


def _leaf(value: object, path: str) -> Invalid | None:
    if isinstance(value, float) and not math.isfinite(value):
        return Invalid(f"{value} is not a number", path)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        return Invalid("half a character (a lone surrogate)", path)
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        return Invalid("too large a number", path)
    if value is None or isinstance(value, str | bool | int | float):
        return None
    return Invalid(f"a {type(value).__name__} is not a JSON value", path)

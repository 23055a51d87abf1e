"""JSON without NaN and infinities, which RFC 8259 does not have."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from harness.core.json_types import JsonValue


def finite(value: Any) -> JsonValue:
    """A copy of a value in plain JSON types, with null for NaN and infinities.

    Args:
        value: numbers, texts, mappings, lists and tuples, nested. Keys become strings, tuples lists,
            and numbers derived from `float` (numpy's float64) plain floats.
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float):
        return finite_number(value)
    plain: JsonValue = value
    return plain


def finite_number(value: float) -> float | None:
    """A plain float; None for NaN and infinities."""
    return float(value) if math.isfinite(value) else None


def finite_json(value: object, *, compact: bool = False) -> str:
    """JSON text with null for NaN and infinities; `compact` leaves out the spaces."""
    separators = (",", ":") if compact else None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators)
    except ValueError:  # something in it is not finite; checking first would take as long as the rest
        return json.dumps(finite(value), ensure_ascii=False, separators=separators)

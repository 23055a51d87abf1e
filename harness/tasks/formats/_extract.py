"""Finds an answer inside surrounding text. Nothing is repaired: a part of the text is returned unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence

from harness.core.values import Invalid, Parsed

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
MAX_STARTS = 200
"""How many opening brackets are tried: an answer that is all brackets must not take forever."""
MAX_PARTS = 20
"""How many of the last candidates are checked."""


def fences(text: str) -> list[str]:
    """The contents of all code fences, in order."""
    return [match.group(1).strip() for match in _FENCE.finditer(text)]


def json_parts(text: str) -> list[str]:
    """Every JSON object or array that parses, exactly as written, in order, without those inside one
    another."""
    decoder = json.JSONDecoder()
    parts: list[str] = []
    end = 0
    for start in _starts(text):
        if start < end:
            continue
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        parts.append(text[start:end])
    return parts


def last_valid(parts: Sequence[str], parse: Callable[[str], Parsed | Invalid]) -> Parsed | Invalid | None:
    """The last part that is a valid answer: earlier ones are citations and examples. If none is valid, the
    fault of the last part; None if there are no parts."""
    fault: Invalid | None = None
    for part in reversed(parts[-MAX_PARTS:]):
        reading = parse(part)
        if isinstance(reading, Parsed):
            return reading
        fault = fault or reading
    return fault


def _starts(text: str) -> Iterator[int]:
    for count, match in enumerate(re.finditer(r"[{\[]", text)):
        if count == MAX_STARTS:
            return
        yield match.start()

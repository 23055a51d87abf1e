"""JSON under the wrong name: an array in a .jsonl file, objects one after another in a .json file."""

from __future__ import annotations

import json
from typing import Any

from harness.core.text import whole

SPACE = " \t\r\n"
Value = Any
"""What JSON can say."""


def objects(text: str) -> list[tuple[dict[str, Value], int]] | None:
    """The objects of a text with the line each begins on: one after another, over any number of lines, or the
    items of one array. None if the text holds anything else."""
    decoder, position = json.JSONDecoder(), _next(text, 0)
    end = "]" if text[position : position + 1] == "[" else ""
    position, line, counted = position + len(end), 1, 0
    parsed: list[tuple[dict[str, Value], int]] = []
    try:
        while (position := _next(text, position, "," if end else "")) < len(text) and text[position] != end:
            value, after = decoder.raw_decode(text, position)
            if not isinstance(value, dict):
                return None
            line, counted = line + text.count("\n", counted, position), position
            parsed.append((whole(value), line))
            position = after
        complete = not end or (text[position : position + 1] == end and not text[position + 1 :].strip())
    except (ValueError, RecursionError):
        return None
    return parsed if parsed and complete else None


def _next(text: str, position: int, marks: str = "") -> int:
    """The next position that holds something other than space and `marks`."""
    while position < len(text) and text[position] in SPACE + marks:
        position += 1
    return position

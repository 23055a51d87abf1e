"""Finds an answer inside surrounding text. Nothing is repaired: a part of the text is returned unchanged."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)(?:\n[ \t]*```|\Z)", re.DOTALL)
MAX_STARTS = 200
"""How many opening brackets are tried: an answer of brackets alone must not take forever."""


def fenced(text: str) -> str | None:
    """The content of the first code fence."""
    match = _FENCE.search(text)
    return None if match is None else match.group(1).strip()


def json_part(text: str) -> str | None:
    """The first JSON object or array that parses, exactly as written."""
    decoder = json.JSONDecoder()
    for start in _starts(text):
        try:
            _, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return text[start:end]
    return None


def _starts(text: str) -> Iterator[int]:
    for count, match in enumerate(re.finditer(r"[{\[]", text)):
        if count == MAX_STARTS:
            return
        yield match.start()

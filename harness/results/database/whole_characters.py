"""Lone surrogates in a file of JSON lines, which DuckDB refuses to read."""

from __future__ import annotations

import re
from pathlib import Path

CHUNK = 1 << 20
"""Bytes that are read at a time."""
_HEX = rb"[0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"\\(\\*)(?:u[dD][89abAB]" + _HEX + rb"(\\u[dD][c-fC-F]" + _HEX + rb")|u[dD][89a-fA-F]" + _HEX + rb")"
)
"""A surrogate pair in two escapes, or a lone one, with all backslashes before it: an even number of them is
text."""
_REPLACEMENT = rb"\ufffd"


def copied(path: Path, copy: Path) -> Path | None:
    """A copy in which the replacement character stands for each lone surrogate, as in the row-by-row reader:
    UTF-8 cannot hold one, and DuckDB refuses the whole file. None if there is none."""
    changed = False
    with path.open("rb") as stream, copy.open("wb") as out:
        while piece := stream.read(CHUNK):
            lines = piece + stream.readline()
            whole = _ESCAPE.sub(_whole, lines)
            changed = changed or whole != lines
            out.write(whole)
    return copy if changed else None


def _whole(escape: re.Match[bytes]) -> bytes:
    text, more, second = escape[0], escape[1], escape[2]
    if len(more) % 2:
        return text[: -len(second)] + _REPLACEMENT if second else text
    return text if second else more + _REPLACEMENT

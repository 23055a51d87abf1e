"""Whether texts are code, calls or SQL: these are compared as written, not as bags of words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from harness.core.protocols import Format
from harness.core.values import Parsed

Language = Literal["sql", "call", "code"]

NOUNS = {"sql": "SQL statement", "call": "call", "code": "code"}
MOST = 0.9
"""The share of texts that must look alike: a few odd ones may be mistakes in the data."""
LOOKED_AT = 1000
_SQL = re.compile(r"\s*(select|with|insert\s+into|update|delete\s+from|create\s+table)\b", re.IGNORECASE)
_CALL = re.compile(r"\s*\[?\s*[A-Za-z_][\w.]*\(.*\)\s*[\];]?\s*", re.DOTALL)
_SIGNS = re.compile(
    r"^\s*(?:def|class|import|from|return|function|public|private|static|const|let|var|elif|#include|package|func"
    r"|fn|try|print)\b(?=.*[({;:=.\"']|\s+\w+\s*$)"
    r"|[;{}]\s*$|=>|->|[=!<>]=|\+=|\w\([^)]*\)|</\w+>|^\s*(?:if|for|while)\b.*[:{]\s*$|\w\s=\s\S",
    re.MULTILINE,
)
_PROSE = re.compile(r"(?:\b[A-Za-z']+\b[ ,]+){5}")


def kind(texts: Sequence[str]) -> Language | None:
    """What most of the texts are; None for anything but code."""
    looked_at = texts[:: max(1, len(texts) // LOOKED_AT)]
    if _most(looked_at, lambda text: _SQL.match(text) is not None) and _all_parse(texts):
        return "sql"
    if _most(looked_at, lambda text: _CALL.fullmatch(text) is not None):
        return "call"
    return "code" if _most(looked_at, _is_code) else None


def _most(texts: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return sum(map(holds, texts)) >= MOST * len(texts) > 0


def _is_code(text: str) -> bool:
    """Whether every second line has a sign of code, and no line reads like a sentence."""
    lines = [line for line in text.splitlines() if line.strip()]
    signs = len({text.count("\n", 0, match.start()) for match in _SIGNS.finditer(text)})
    return signs > 0 and 2 * signs >= len(lines) and _PROSE.search(text) is None


def _all_parse(texts: Sequence[str]) -> bool:
    """Whether the `sql` format reads every text; what it cannot read is kept as code."""
    from harness.core.kinds import build

    form: Format = build("formats", "sql")
    return all(isinstance(form.parse(text), Parsed) for text in dict.fromkeys(texts))

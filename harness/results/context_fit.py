"""What sample rows say of prompts that were cut to the model's context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TOO_LONG = "exceeds the model's context"
"""What the error of an example says that does not fit even without shots and passages."""


def sentences(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What did not fit of sample rows' prompts, e.g. "shots 8 → 5 in 12 of 80 examples"."""
    found = [_sentence(rows, part, f"{part}_dropped") for part in ("shots", "passages")]
    long = [row for row in rows if TOO_LONG in (row.get("error") or "")]
    if long:
        errors = "is an error" if len(long) == 1 else "are errors"
        found.append(f"{len(long)} of {len(rows)} examples {errors}: {long[0]['error']}")
    return tuple(filter(None, found))


def with_reason(sentence: str) -> str:
    """One of `sentences` with the reason why something was dropped; an error says its own."""
    dropped = sentence.startswith(("shots ", "passages "))
    return f"{sentence}, to fit the model's context" if dropped else sentence


def _sentence(rows: Sequence[Mapping[str, Any]], part: str, dropped: str) -> str:
    """Rows of runs from before anything could be dropped have no such count."""
    cut = [row for row in rows if row.get(dropped)]
    if not cut:
        return ""
    kept = sorted(len(row[part]) for row in cut)
    whole = max(len(row[part]) + row[dropped] for row in cut)
    after = f"{kept[0]}" if kept[0] == kept[-1] else f"{kept[0]} to {kept[-1]}"
    return f"{part} {whole} → {after} in {len(cut)} of {len(rows)} examples"

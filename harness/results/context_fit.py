"""What sample rows say about prompts that were cut to the model's context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.results.records.sample import SampleRecord

TOO_LONG = "exceeds the model's context"
"""The error text of an example that does not fit even without shots and passages."""


def sentences(rows: Sequence[SampleRecord]) -> tuple[str, ...]:
    """What did not fit in sample rows' prompts, e.g. "shots 8 → 5 in 12 of 80 examples"."""
    about = [_sentence(rows, "shots"), _sentence(rows, "passages")]
    long = [row.error for row in rows if row.error and TOO_LONG in row.error]
    if long:
        errors = "is an error" if len(long) == 1 else "are errors"
        about.append(f"{len(long)} of {len(rows)} examples {errors}: {long[0]}")
    return tuple(filter(None, about))


def with_reason(sentence: str) -> str:
    """One of `sentences` with the reason why something was dropped; an error states its own."""
    dropped = sentence.startswith(("shots ", "passages "))
    return f"{sentence}, to fit the model's context" if dropped else sentence


def _sentence(rows: Sequence[SampleRecord], part: Literal["shots", "passages"]) -> str:
    """Rows of runs from before anything could be dropped have no such count."""
    cut = [(kept, dropped) for kept, dropped in (_kept(row, part) for row in rows) if dropped]
    if not cut:
        return ""
    kept = sorted(count for count, _ in cut)
    whole = max(map(sum, cut))
    after = f"{kept[0]}" if kept[0] == kept[-1] else f"{kept[0]} to {kept[-1]}"
    return f"{part} {whole} → {after} in {len(cut)} of {len(rows)} examples"


def _kept(row: SampleRecord, part: Literal["shots", "passages"]) -> tuple[int, int]:
    """How many shots or passages a prompt has, and how many were left out."""
    if part == "shots":
        return len(row.shots), row.shots_dropped or 0
    return len(row.passages), row.passages_dropped or 0

"""How many training examples a run learnt from, of those that it was given, as its record says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOO_LONG = "too long"


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Training examples that were learnt from, those that were offered, and why the others were dropped."""

    learnt: int = 0
    offered: int = 0
    why: str = ""


def of_record(record: Mapping[str, Any]) -> Lessons:
    """The lessons of a run. Records from before dropped ones were left out of `lessons` count them."""
    train = record.get("train")
    if not train or "lessons" not in train:
        return Lessons()
    if "offered" in train:
        return Lessons(learnt=train["lessons"], offered=train["offered"], why=train.get("why_dropped") or "")
    dropped = len(set(train.get("dropped") or ()))
    return Lessons(
        learnt=max(train["lessons"] - dropped, 0), offered=train["lessons"], why=TOO_LONG if dropped else ""
    )

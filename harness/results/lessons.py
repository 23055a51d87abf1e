"""How many training examples a run learned from, of those that it was given, according to its record."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.records.run import RunRecord

TOO_LONG = "too long"


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """Training examples that were learned from, those that were offered, and why the others were dropped."""

    learnt: int = 0
    offered: int = 0
    why: str = ""


def of_record(record: RunRecord) -> Lessons:
    """The lessons of a run. Records from before dropped ones were left out of `lessons` count them."""
    train = record.train
    if train is None or train.lessons is None:
        return Lessons()
    if train.offered is not None:
        return Lessons(learnt=train.lessons, offered=train.offered, why=train.why_dropped or "")
    dropped = len(set(train.dropped))
    return Lessons(
        learnt=max(train.lessons - dropped, 0), offered=train.lessons, why=TOO_LONG if dropped else ""
    )

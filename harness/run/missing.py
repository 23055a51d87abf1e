"""Answers that a run does not have: how many, and why.

They count neither as right nor as wrong. A run that lacks some is `partial`, and the same command asks for
them again. Where asking again cannot help, because the prompts exceed the model's context, the run is `done`:
what it lacks is still shown, and still wins nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.core.values import Completion
from harness.programs._fitting import TOO_LONG

SHOWN = 3
"""Reasons that are named; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """`count` of `of` answers are missing, `final` of them for good; `reasons` says why, the commonest first."""

    count: int
    of: int
    reasons: Mapping[str, int]
    final: int = 0

    @property
    def all(self) -> bool:
        """Whether there is no answer at all."""
        return self.count == self.of

    @property
    def askable(self) -> bool:
        """Whether the same command, given again, asks for any of them."""
        return self.count > self.final

    def sentence(self, recipe: str = "") -> str:
        """For a person: "20 of 40 answers of zero_shot are missing: HTTP 503: busy"."""
        whose = f" of {recipe}" if recipe else ""
        verb = "is" if self.count == 1 else "are"
        return f"{self.count} of {self.of} answers{whose} {verb} missing: {self._why()}"

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "of": self.of, "final": self.final, "reasons": dict(self.reasons)}

    def _why(self) -> str:
        if len(self.reasons) == 1:
            return next(iter(self.reasons))
        named = list(self.reasons.items())[:SHOWN]
        parts = [f"{reason} ({count})" for reason, count in named]
        left = len(self.reasons) - len(named)
        if left:
            parts.append(f"{left} other {'reason' if left == 1 else 'reasons'}")
        return "; ".join(parts)


def of_rows(rows: Iterable[Mapping[str, Any]]) -> Missing | None:
    """What is missing among the rows of a run; None where every example was answered."""
    known = list(rows)
    lost = [row for row in known if row["finish_reason"] == "error"]
    if not lost:
        return None
    reasons = Counter(map(_reason, lost))
    final = sum(map(is_final, lost))
    return Missing(count=len(lost), of=len(known), reasons=dict(reasons.most_common()), final=final)


def is_final(row: Mapping[str, Any]) -> bool:
    """Whether a row has no answer and asking again cannot give it one: its prompt exceeds the context."""
    return row["finish_reason"] == "error" and TOO_LONG in (row["error"] or "")


def status(lack: Missing | None) -> Literal["done", "partial"]:
    """The status of a run that came to its end: done unless answers are missing that can be asked for."""
    return "partial" if lack is not None and lack.askable else "done"


def _reason(row: Mapping[str, Any]) -> str:
    """Why a row has no answer; prompts that are too long count together, whatever their lengths."""
    error = str(row["error"] or "no reason given")
    return f"its prompt {error[error.index(TOO_LONG) :]}" if is_final(row) else error


def of_record(record: Mapping[str, Any]) -> Missing | None:
    """What a run's record says is missing; None for a complete run, and for a record that says nothing."""
    about = record.get("missing")
    if not about:
        return None
    counts = {"count": about["count"], "of": about["of"], "final": about.get("final", 0)}
    return Missing(**counts, reasons=about["reasons"])


def completion(reason: str) -> Completion:
    """What stands for an answer that was not asked for: the server had refused by then."""
    return Completion(text="", tokens_in=0, tokens_out=0, finish_reason="error", seconds=0.0, error=reason)


def incomplete(record: Mapping[str, Any]) -> str:
    """One line on a run that failed, was interrupted, or lacks answers; names its recipe, not its id."""
    recipe, seed = record["recipe"]["name"], record["seed"]
    if record.get("labels") is not None:
        recipe = f"{recipe} (n={record['labels']})"
    if seed:
        recipe = f"{recipe}, seed {seed},"
    if (lack := of_record(record)) is not None:
        return lack.sentence(recipe)
    if record["status"] == "partial":
        return f"{recipe} was interrupted; the same command goes on"
    reason = str(record.get("error")).removeprefix("EngineError: ")
    return f"{recipe} failed: {reason}"


def has_answers(record: Mapping[str, Any] | None) -> bool:
    """Whether a run came to its end with answers to compare: all of them, or some.

    A run that failed or was interrupted has no record of its answers.
    """
    if record is None or not ended(record):
        return False
    lack = of_record(record)
    return lack is None or not lack.all


def ended(record: Mapping[str, Any]) -> bool:
    """Whether a run came to its end, whatever it lacks."""
    return record.get("status") == "done" or (record.get("status") == "partial" and "metrics" in record)

"""What a verdict says of recipes whose answering stopped once it was sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.evidence.verdict_types import RecipeSummary, Verdict

_HOLD = "Claims about these recipes hold no matter how often you look; their intervals are wider than those of a full run."


def sentences(summaries: Sequence[RecipeSummary]) -> list[str]:
    """How far each recipe was asked and how many answers that saved; nothing where all were asked everything."""
    early = [summary for summary in summaries if summary.planned is not None]
    if not early:
        return []
    asked = ", ".join(f"{one.recipe} after {_of(one)}" for one in early)
    saved = sum(one.seeds * max(0, (one.planned or 0) - one.n - one.missing) for one in early)
    total = sum(one.seeds * (one.planned or one.n + one.missing) for one in summaries)
    return [f"Stopped when sure: {asked}. {saved:,} of {total:,} answers were not needed. {_HOLD}"]


def so_far(verdict: Verdict) -> Verdict:
    """The verdict while a command is at work: between two rounds a recipe has not stopped, it waits; and what to do next
    is to wait, too."""
    ended = sentences(verdict.summaries)
    early = [f"{one.recipe} {_of(one)}" for one in verdict.summaries if one.planned is not None]
    asked = f"Asked so far: {', '.join(early)}. {_HOLD}"
    notes = tuple(asked if note in ended else note for note in verdict.notes)
    return replace(verdict, notes=notes, next_step="", evidence=())


def _of(summary: RecipeSummary) -> str:
    return f"{summary.n} of {summary.planned} examples"

"""What a verdict says of recipes whose answering stopped once it was sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.evidence.verdict_types import RecipeSummary, Verdict

_HOLD = "Claims about these recipes hold no matter how often you look; their intervals are wider than those of a full run."


def worse(verdict: Verdict) -> frozenset[str]:
    """The recipes that are shown to be worse than another one, however often one looked."""
    return frozenset(
        pair.recipe if pair.outcome == "worse" else pair.reference
        for pair in verdict.comparisons
        if pair.outcome in ("better", "worse") and pair.anytime and not pair.provisional
    )


def is_settled(verdict: Verdict, *, alone: bool) -> bool:
    """Whether more answers from these recipes would not change the family to use.

    Args:
        alone: whether at most one recipe is not shown to be worse.
    """
    state = verdict.families.state
    if verdict.kind == "nothing_works":
        return False
    if state == "only":
        return alone or (verdict.kind in ("winner", "tie") and not verdict.provisional)
    return state in ("ahead", "level") and not verdict.families.provisional


def sentences(verdict: Verdict) -> list[str]:
    """How far each recipe was asked and how many answers that saved; nothing where all were asked everything.

    A command that was killed leaves its recipes as one that was sure does: that it was sure is seen from the verdict.
    """
    early = [summary for summary in verdict.summaries if summary.planned is not None]
    if not early:
        return []
    out = worse(verdict)
    left = [one for one in verdict.summaries if not one.oracle and one.recipe not in out]
    if not (is_settled(verdict, alone=len(left) < 2) or out.issuperset(one.recipe for one in early)):
        return [_asked_so_far(early)]
    asked = ", ".join(f"{one.recipe} after {_of(one)}" for one in early)
    saved = sum(one.seeds * max(0, (one.planned or 0) - one.n - one.missing) for one in early)
    total = sum(one.seeds * (one.planned or one.n + one.missing) for one in verdict.summaries)
    return [f"Stopped when sure: {asked}. {saved:,} of {total:,} answers were not needed. {_HOLD}"]


def so_far(verdict: Verdict) -> Verdict:
    """The verdict while a command is at work: between two rounds a recipe has not stopped, it waits; and what to do next
    is to wait, too."""
    ended = sentences(verdict)
    asked = _asked_so_far([one for one in verdict.summaries if one.planned is not None])
    notes = tuple(asked if note in ended else note for note in verdict.notes)
    return replace(verdict, notes=notes, next_step="", evidence=())


def _asked_so_far(early: Sequence[RecipeSummary]) -> str:
    return f"Asked so far: {', '.join(f'{one.recipe} {_of(one)}' for one in early)}. {_HOLD}"


def _of(summary: RecipeSummary) -> str:
    return f"{summary.n} of {summary.planned} examples"

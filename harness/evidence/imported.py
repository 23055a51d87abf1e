"""The verdict over systems that other tools measured in part: their costs, and what to run next, are unknown here."""

from __future__ import annotations

from dataclasses import replace

from harness.evidence.verdict_text import ONLY, count, listed, points
from harness.evidence.verdict_types import Families, Verdict

BADGE = "Systems compared"


def of_imported(verdict: Verdict) -> Verdict:
    """The verdict without anything that depends on costs, families of methods, or a repeatable command."""
    return replace(
        verdict,
        sentence=_sentence(verdict),
        families=_families(verdict.families),
        within=None,
        notes=tuple(
            note
            for note in verdict.notes
            if note not in ONLY.values() and (verdict.within is None or note != verdict.within.sentence)
        ),
        recommended=None if verdict.kind in ("no_difference", "tie") else verdict.recommended,
        next_step="",
        evidence=(),
        reasons=tuple(reason for reason in verdict.reasons if "cheap" not in reason),
    )


def _families(families: Families) -> Families:
    return replace(families, badge=BADGE) if families.state == "only" else families


def _sentence(verdict: Verdict) -> str:
    if verdict.kind == "no_difference":
        return f"Can't tell: no measurable difference between {listed(verdict.leaders)} on {count(verdict.n, 'example')}."
    if verdict.kind == "tie":
        others = [summary.recipe for summary in verdict.summaries if summary.recipe != verdict.recommended]
        return (
            f"No measurable difference: {verdict.recommended} is shown not to be worse than {listed(others)} by "
            f"{points(verdict.margin)} points on {count(verdict.n, 'example')}."
        )
    return verdict.sentence

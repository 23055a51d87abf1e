"""The badge of a verdict: the state of its families in a few words, and the color that goes with it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.evidence.verdict_types import Verdict

KINDS: Mapping[str, str] = {
    "winner": "Winner",
    "tie": "Tie",
    "no_difference": "No measurable difference",
    "inconclusive": "Inconclusive",
    "nothing_works": "Nothing works yet",
    "nothing_to_compare": "Nothing to compare",
}
"""Badges of reports written before families existed."""


def tone(verdict: Verdict) -> str:
    """The CSS class of a verdict: green if its badge is settled."""
    state = verdict.families.state
    if state in ("nothing_works", "nothing_to_compare"):
        return state
    if verdict.kind in ("tie", "no_difference") and not _provisional(verdict):
        return verdict.kind
    settled = state in ("ahead", "level") or (state == "only" and verdict.kind == "winner")
    return "winner" if settled and not _provisional(verdict) else "inconclusive"


def badge(verdict: Verdict) -> str:
    """The badge's words."""
    words = verdict.families.badge
    return f"{words}, provisional" if _provisional(verdict) else words


def _provisional(verdict: Verdict) -> bool:
    """Whether the badge's claim depends on one training seed: an open question claims nothing."""
    if verdict.families.state == "only":
        return verdict.provisional
    return verdict.families.state != "open" and verdict.families.provisional

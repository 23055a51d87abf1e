"""Limits of a verdict that its numbers do not show: few groups, missing answers."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evidence.stats.clusters import FEW_GROUPS
from harness.evidence.verdict_text import count, points
from harness.evidence.verdict_types import Comparison, RecipeSummary

MANY_LOST = 0.05
"""Share of dropped training examples from which on they are mentioned."""


def cautions(summaries: Sequence[RecipeSummary], comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    """One sentence for each thing to know before relying on the verdict."""
    return (*_groups(comparisons), *_missing(summaries))


def lost_lessons(summaries: Sequence[RecipeSummary]) -> list[str]:
    """One sentence for each recipe that dropped so many of its lessons that its score no longer measures the
    requested training."""
    return [
        f"{s.recipe} learned from {s.lessons} of {s.lessons_offered} training examples: the others are {s.why_dropped}"
        for s in summaries
        if s.lessons_offered - s.lessons >= MANY_LOST * max(s.lessons_offered, 1)
    ]


def _groups(comparisons: Sequence[Comparison]) -> list[str]:
    counts = [pair.groups for pair in comparisons if 0 < pair.groups < pair.n]
    if not counts or min(counts) >= FEW_GROUPS:
        return []
    if min(counts) == 1:
        return [
            "all test examples share one group and say nothing about other groups; add examples from more groups"
        ]
    return [
        f"the test examples come from {min(counts)} groups: intervals over fewer than {FEW_GROUPS} are rough; "
        "examples from more groups would make them reliable"
    ]


def _missing(summaries: Sequence[RecipeSummary]) -> list[str]:
    return [
        f"{s.recipe}: {count(s.missing, 'example')} without a score{_in_seeds(s.seeds)}; every score here is over the {s.n} that all "
        f"recipes answered, and {s.recipe} scores {points(s.worst_case)} if its {_answers(s)} wrong"
        for s in summaries
        if s.worst_case is not None and not s.oracle
    ]


def _in_seeds(seeds: int) -> str:
    """An example without a score in one seed is left out of all, so that seeds are averaged over the same ones."""
    return " in at least one seed" if seeds > 1 else ""


def _answers(summary: RecipeSummary) -> str:
    if summary.seeds > 1:  # examples are counted, and of one example several answers may be missing
        return "missing answers are all"
    return "missing answer is" if summary.missing == 1 else f"{summary.missing} missing answers are all"

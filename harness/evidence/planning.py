"""How many more test examples would settle a comparison."""

from __future__ import annotations

import math

from harness.evidence.stats import power, simultaneous
from harness.evidence.stats.clusters import FEW_GROUPS
from harness.evidence.verdict_types import Comparison

ALPHA = 1 - simultaneous.TOGETHER
"""For all claims of a verdict together: "better", "worse", "not worse" and "equivalent"."""


def level_of_each(comparisons: int) -> float:
    """The error that each of `comparisons` may have, conservatively (Bonferroni), for planning."""
    return ALPHA / max(comparisons, 1)


def examples_needed(comparison: Comparison, margin: float, alpha: float) -> int | None:
    """More test examples that would settle it, if the truth is what was observed; with a margin of 0, that would show
    the difference. Never fewer than needed for ten groups at the present group size."""
    root = comparison.n**0.5
    total = power.examples_to_settle(
        comparison.difference,
        comparison.sampling_se * root,
        margin,
        training_se=comparison.training_se or 0.0,
        whole_group=comparison.whole_group_se * comparison.n,
        alpha=alpha,
    )
    if total is None:
        return None
    if 1 < comparison.groups < min(FEW_GROUPS, comparison.n):
        total = max(total, math.ceil(comparison.n * FEW_GROUPS / comparison.groups))
    # If the exact test does not show a difference that the interval alone would show, the number doubles.
    return total - comparison.n if total > comparison.n else comparison.n

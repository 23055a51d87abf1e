"""What verdicts on made-up test sets claim, counted against the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Verdict
from tests.simulate.world import World, mean

MARGIN = 0.02


@dataclass
class Counts:
    """How many of `repeats` verdicts did what; shares in percent through `share`."""

    repeats: int = 0
    false_claims: int = 0
    """Verdicts with a claim of a difference that is not there, provisional ones left out."""
    provisional: int = 0
    """Verdicts whose only false claims were marked provisional."""
    pairs_covered: int = 0
    """Verdicts of which every pair's interval holds the truth, but for claims marked provisional."""
    means_covered: int = 0
    """Verdicts of which every recipe's interval holds the truth."""
    best_covered: int = 0
    wrongly_not_worse: int = 0
    """Verdicts that call a recipe not worse by the margin which is worse by it or more."""
    winner: dict[str, int] = field(default_factory=dict)
    shown: int = 0
    """Verdicts in which the last recipe is shown better than the first, provisionally or not."""
    sure: int = 0
    """The same without those marked provisional."""

    def share(self, name: str) -> float:
        return 100 * float(getattr(self, name)) / self.repeats


def count(world: World, repeats: int, seed: int = 1) -> Counts:
    """Decide `repeats` times on fresh draws of `world` and count claims and coverage."""
    rng, counts = np.random.default_rng(seed), Counts()
    behind = world.behind or (0.0,) * world.recipes
    truths = {f"r{i:02d}": mean(world.kind) - gap for i, gap in enumerate(behind)}
    for _ in range(repeats):
        verdict = decide("task", "model", "score", MARGIN, world.runs(rng))
        counts.repeats += 1
        _count_claims(counts, verdict, truths)
        _count_coverage(counts, verdict, truths)
        _count_shown(counts, verdict, f"r{world.recipes - 1:02d}")
    return counts


def _count_claims(counts: Counts, verdict: Verdict, truths: dict[str, float]) -> None:
    wrong = [
        pair
        for pair in verdict.comparisons
        if (pair.outcome == "better" and truths[pair.recipe] <= truths[pair.reference])
        or (pair.outcome == "worse" and truths[pair.recipe] >= truths[pair.reference])
    ]
    counts.false_claims += any(not pair.provisional for pair in wrong)
    counts.provisional += bool(wrong) and all(pair.provisional for pair in wrong)
    counts.wrongly_not_worse += any(
        pair.outcome in ("not_worse", "equivalent")
        and not pair.provisional
        and truths[pair.recipe] - truths[pair.reference] <= -MARGIN + 1e-9
        for pair in verdict.comparisons
    )


def _count_coverage(counts: Counts, verdict: Verdict, truths: dict[str, float]) -> None:
    counts.pairs_covered += all(
        pair.low - 1e-9 <= truths[pair.recipe] - truths[pair.reference] <= pair.high + 1e-9
        for pair in verdict.comparisons
        if not (pair.provisional and pair.outcome != "inconclusive")
    )
    covered = [s.low - 1e-9 <= truths[s.recipe] <= s.high + 1e-9 for s in verdict.summaries]
    counts.means_covered += all(covered)
    counts.best_covered += covered[0]


def _count_shown(counts: Counts, verdict: Verdict, last: str) -> None:
    top = verdict.comparison("r00", last)
    shown = top is not None and top.outcome == ("better" if top.reference == "r00" else "worse")
    counts.shown += shown
    counts.sure += shown and top is not None and not top.provisional
    if verdict.winner is not None:
        counts.winner[verdict.winner] = counts.winner.get(verdict.winner, 0) + 1

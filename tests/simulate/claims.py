"""What verdicts on made-up test sets claim, counted against the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.decide.verdict import decide
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
    """Verdicts of which every pair's interval holds the truth."""
    means_covered: int = 0
    """Verdicts of which every recipe's interval holds the truth."""
    best_covered: int = 0
    wrongly_not_worse: int = 0
    """Verdicts that call a recipe not worse by the margin which is worse by it or more."""
    winner: dict[str, int] = field(default_factory=dict)
    shown: int = 0
    """Verdicts in which the last recipe is shown better than the first."""

    def share(self, name: str) -> float:
        return 100 * float(getattr(self, name)) / self.repeats


def count(world: World, repeats: int, seed: int = 1) -> Counts:
    """Decide `repeats` times on fresh draws of `world` and count claims and coverage."""
    rng, counts = np.random.default_rng(seed), Counts()
    behind = world.behind or (0.0,) * world.recipes
    truths = {f"r{i:02d}": _true_mean(world, gap) for i, gap in enumerate(behind)}
    for _ in range(repeats):
        verdict = decide("task", "model", "score", MARGIN, world.runs(rng))
        counts.repeats += 1
        wrong = [
            pair
            for pair in verdict.comparisons
            if (pair.outcome == "better" and truths[pair.recipe] <= truths[pair.reference])
            or (pair.outcome == "worse" and truths[pair.recipe] >= truths[pair.reference])
        ]
        counts.false_claims += any(not pair.provisional for pair in wrong)
        counts.provisional += bool(wrong) and all(pair.provisional for pair in wrong)
        counts.pairs_covered += all(
            pair.low - 1e-9 <= truths[pair.recipe] - truths[pair.reference] <= pair.high + 1e-9
            for pair in verdict.comparisons
        )
        covered = [s.low - 1e-9 <= truths[s.recipe] <= s.high + 1e-9 for s in verdict.summaries]
        counts.means_covered += all(covered)
        counts.best_covered += covered[0]
        counts.wrongly_not_worse += any(
            pair.outcome in ("not_worse", "equivalent")
            and not pair.provisional
            and truths[pair.recipe] - truths[pair.reference] <= -MARGIN + 1e-9
            for pair in verdict.comparisons
        )
        top = verdict.comparison("r00", f"r{world.recipes - 1:02d}")
        counts.shown += top is not None and top.outcome == ("better" if top.reference == "r00" else "worse")
        if verdict.winner is not None:
            counts.winner[verdict.winner] = counts.winner.get(verdict.winner, 0) + 1
    return counts


def _true_mean(world: World, gap: float) -> float:
    return mean(world.kind) - gap

"""How often intervals of grouped examples hold the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from harness.decide.compare import compare
from harness.decide.table import gather, mean_interval
from harness.stats.resampling import Floats
from tests.simulate.world import mean, run


@dataclass(frozen=True)
class Groups:
    """`count` groups of `size` examples; `icc` is the share of the latent variance that a group has in common."""

    count: int
    size: int
    icc: float = 0.5

    @property
    def names(self) -> list[str]:
        return [f"g{i // self.size}" for i in range(self.count * self.size)]

    def latent(self, rng: np.random.Generator) -> Floats:
        shared = np.repeat(rng.normal(size=self.count), self.size)
        return np.sqrt(self.icc) * shared + np.sqrt(1 - self.icc) * rng.normal(size=self.count * self.size)


def rate(groups: Groups, truth: float, repeats: int, seed: int = 1) -> float:
    """Percent of intervals of a rate that hold it."""
    rng, covered = np.random.default_rng(seed), 0
    for _ in range(repeats):
        values = (groups.latent(rng) < stats.norm.ppf(truth)).astype(float)
        low, high = mean_interval(gather([run("a", values, groups=groups.names)])[0])
        covered += low - 1e-9 <= truth <= high + 1e-9
    return 100 * covered / repeats


def graded_mean(groups: Groups, repeats: int, seed: int = 1) -> float:
    """Percent of intervals of a graded mean that hold it."""
    rng, covered, truth = np.random.default_rng(seed), 0, mean("graded", 0.3)
    for _ in range(repeats):
        values = np.clip(0.25 + 0.45 * (0.3 - groups.latent(rng)), 0, 1)
        low, high = mean_interval(gather([run("a", values, binary=False, groups=groups.names)])[0])
        covered += low <= truth <= high
    return 100 * covered / repeats


def lost_whole(
    groups: Groups, repeats: int, *, wins: float, losses: float, seed: int = 1
) -> tuple[float, float]:
    """Pairs in which whole groups are won and lost: percent of intervals that hold the truth, and of
    verdicts that call the first "not worse by 2 points" although it is."""
    rng, covered, wrong = np.random.default_rng(seed), 0, 0
    truth = wins - losses
    for _ in range(repeats):
        drawn = rng.random(groups.count)
        sign = np.repeat((drawn < wins).astype(float) - (drawn > 1 - losses), groups.size)
        first = run("a", (sign > 0).astype(float), groups=groups.names)
        second = run("b", (sign < 0).astype(float), groups=groups.names)
        pair = compare(gather([first, second]), 0.02)[0]
        covered += pair.low - 1e-9 <= truth <= pair.high + 1e-9
        wrong += truth <= -0.02 and pair.outcome in ("better", "not_worse", "equivalent")
    return 100 * covered / repeats, 100 * wrong / repeats

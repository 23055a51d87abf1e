"""How often intervals of grouped examples hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.pairwise import compare
from harness.evidence.stats.resampling import Floats
from tests.simulate.world import mean, run

Shape = Literal["equal", "skewed", "dominated"]


@dataclass(frozen=True)
class Groups:
    """`count` groups of `size` examples; `icc` is the share of the latent variance that a group has in common."""

    count: int
    size: int
    icc: float = 0.5
    shape: Shape = "equal"
    """Sizes: all equal; skewed as a log-normal variable (σ = 1.2); or one group with half of the examples."""

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Examples of each group; `size` is their average."""
        if self.shape == "equal":
            return np.full(self.count, self.size)
        if self.shape == "skewed":
            weights = np.exp(1.2 * stats.norm.ppf((np.arange(self.count) + 0.5) / self.count))
            return np.maximum(1, np.round(weights / weights.mean() * self.size)).astype(np.intp)
        others = np.full(self.count - 1, max(1, self.size // 2))
        return np.append(others, self.count * self.size - others.sum())

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        return np.repeat(np.arange(self.count), self.sizes)

    @cached_property
    def names(self) -> list[str]:
        return [f"g{code}" for code in self.codes]

    def latent(self, rng: np.random.Generator) -> Floats:
        shared, alone = rng.normal(size=self.count)[self.codes], rng.normal(size=len(self.codes))
        return np.sqrt(self.icc) * shared + np.sqrt(1 - self.icc) * alone


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
    groups: Groups, repeats: int, *, wins: float, losses: float, noise: float = 0.0, seed: int = 1
) -> tuple[float, float]:
    """Pairs in which whole groups are won and lost, and of the other examples a share of `noise` on either side:
    percent of intervals that hold the truth, and of verdicts that call the first "not worse by 2 points"
    although it is."""

    def draw(rng: np.random.Generator) -> Floats:
        drawn, single = rng.random(groups.count), rng.random(len(groups.codes))
        whole = ((drawn < wins).astype(float) - (drawn > 1 - losses))[groups.codes]
        return np.where(whole == 0.0, (single < noise).astype(float) - (single > 1 - noise), whole)

    return _pairs(groups, repeats, wins - losses, draw, seed)


def two_rates(groups: Groups, repeats: int, difference: float, seed: int = 1) -> tuple[float, float]:
    """Pairs of which the first is right less often by `difference`, the difficulty of examples shared: percent of
    intervals that hold the truth, and of verdicts that call it not worse although it is."""
    return _pairs(groups, repeats, -difference, lambda rng: of_rates(groups, rng, difference), seed)


def of_rates(groups: Groups, rng: np.random.Generator, difference: float) -> Floats:
    """Differences of such a pair, per example."""
    level = 0.3
    behind = stats.norm.ppf(stats.norm.cdf(level) - difference)
    shared = np.sqrt(0.6) * groups.latent(rng)
    first, second = (shared + np.sqrt(0.4) * groups.latent(rng) < at for at in (behind, level))
    return first.astype(float) - second


def two_grades(groups: Groups, repeats: int, difference: float, seed: int = 1) -> tuple[float, float]:
    """The same for graded scores."""
    truth, draw = graded_truth(difference), lambda rng: of_grades(groups, rng, difference)
    return _pairs(groups, repeats, truth, draw, seed, binary=False)


def of_grades(groups: Groups, rng: np.random.Generator, difference: float) -> Floats:
    """Differences of such a pair, per example."""
    behind = stats.norm.ppf(stats.norm.cdf(0.3) - difference)
    shared = np.sqrt(0.6) * groups.latent(rng)
    first, second = (at - shared - np.sqrt(0.4) * groups.latent(rng) for at in (behind, 0.3))
    return np.clip(0.25 + 0.45 * first, 0, 1) - np.clip(0.25 + 0.45 * second, 0, 1)


def graded_truth(difference: float) -> float:
    """The true difference of their means."""
    return mean("graded", stats.norm.ppf(stats.norm.cdf(0.3) - difference)) - mean("graded", 0.3)


def lead_not_shared(groups: Groups, repeats: int, sign: int, seed: int = 1) -> tuple[float, float]:
    """Pairs of which a twentieth of the single examples is won, and of the groups a tenth is won (`sign` 1) or lost
    (-1) whole: percent of intervals that hold the truth, and of verdicts that call the wrong one better."""
    single, whole = 0.05, 0.1
    truth = (1 - whole) * single + whole * sign
    rng, names, covered, wrong = np.random.default_rng(seed), groups.names, 0, 0
    for _ in range(repeats):
        drawn = (rng.random(groups.count) < whole)[groups.codes]
        differences = np.where(drawn, sign, (rng.random(len(drawn)) < single).astype(float))
        first = run("a", np.maximum(differences, 0), groups=names)
        second = run("b", np.maximum(-differences, 0), groups=names)
        pair = compare(gather([first, second]), 0.02)[0]
        covered += pair.low - 1e-9 <= truth <= pair.high + 1e-9
        wrong += (pair.outcome == "better" and truth < 0) or (pair.outcome == "worse" and truth > 0)
    return 100 * covered / repeats, 100 * wrong / repeats


PairKind = Callable[[Groups, int, float], tuple[float, float]]


def _pairs(
    groups: Groups,
    repeats: int,
    truth: float,
    draw: Callable[[np.random.Generator], Floats],
    seed: int,
    *,
    binary: bool = True,
) -> tuple[float, float]:
    rng, names, covered, wrong = np.random.default_rng(seed), groups.names, 0, 0
    for _ in range(repeats):
        sign = draw(rng)
        first = run("a", np.maximum(sign, 0), binary=binary, groups=names)
        second = run("b", np.maximum(-sign, 0), binary=binary, groups=names)
        pair = compare(gather([first, second]), 0.02)[0]
        covered += pair.low - 1e-9 <= truth <= pair.high + 1e-9
        wrong += truth <= -0.02 and pair.outcome in ("better", "not_worse", "equivalent")
    return 100 * covered / repeats, 100 * wrong / repeats

"""How often 95 % intervals hold the truth, over 1,000 simulated data sets each."""

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, seeds
from harness.evidence.stats.intervals import bca, wilson
from harness.evidence.stats.resampling import Floats, generator

SETS = 1_000


def ternary(rng: Generator, n: int, wins: float, losses: float) -> Floats:
    """Differences of two 0/1 scores: (n, SETS)."""
    drawn = rng.random((n, SETS))
    return (drawn < wins).astype(float) - (drawn > 1 - losses)


def graded(rng: Generator, n: int) -> tuple[Floats, float]:
    """Mostly ties, some gains in fifths, few losses: what field scores look like."""
    size = rng.integers(1, 6, (n, SETS)) / 5
    drawn = rng.random((n, SETS))
    return np.where(drawn < 0.3, size, np.where(drawn > 0.9, -size, 0.0)), 0.2 * 0.6


def covered(low: Floats, high: Floats, truth: float) -> float:
    return float(((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean())


@pytest.mark.parametrize(("n", "rate"), [(50, 0.3), (200, 0.5), (200, 0.1), (1000, 0.02)])
def test_wilson(n: int, rate: float) -> None:
    successes = np.random.default_rng(1).binomial(n, rate, SETS)
    ends = np.array([wilson(int(count), n) for count in successes])
    assert 0.93 <= covered(ends[:, 0], ends[:, 1], rate) <= 0.97


@pytest.mark.parametrize("n", [50, 100, 200])
def test_bca_of_graded_differences(n: int) -> None:
    differences, truth = graded(np.random.default_rng(2), n)
    low, high = bca(differences, resamples=2_000, rng=generator(3))
    assert 0.93 <= covered(low, high, truth) <= 0.97


@pytest.mark.parametrize("n", [50, 100, 200])
def test_default_for_graded_differences(n: int) -> None:
    differences, truth = graded(np.random.default_rng(4), n)
    low, high = paired.interval(differences, binary=False, rng=generator(5))
    assert 0.93 <= covered(low, high, truth) <= 0.97


@pytest.mark.parametrize(("wins", "losses"), [(0.25, 0.10), (0.4, 0.1), (0.2, 0.2)])
@pytest.mark.parametrize("n", [50, 100, 200])
def test_default_for_binary_differences(n: int, wins: float, losses: float) -> None:
    differences = ternary(np.random.default_rng(6), n, wins, losses)
    low, high = paired.interval(differences, binary=True)
    assert 0.93 <= covered(low, high, wins - losses) <= 0.97


@pytest.mark.parametrize(("wins", "losses"), [(0.05, 0.0), (0.10, 0.02)])
@pytest.mark.parametrize("n", [20, 30, 50])
def test_small_and_lopsided_binary_differences_are_never_overstated(
    n: int, wins: float, losses: float
) -> None:
    """Where BCa covers as little as 64 % the default stays at or above its promise."""
    differences = ternary(np.random.default_rng(7), n, wins, losses)
    low, high = paired.interval(differences, binary=True)
    assert covered(low, high, wins - losses) >= 0.95


def test_bca_alone_would_have_overstated_them() -> None:
    differences = ternary(np.random.default_rng(7), 20, 0.05, 0.0)
    low, high = bca(differences, resamples=2_000)
    assert covered(low, high, 0.05) < 0.75


def test_grouped_examples() -> None:
    rng = np.random.default_rng(8)
    groups = np.repeat(np.arange(30), 6)
    values = 0.3 * rng.normal(size=(30, SETS))[groups] + 0.5 * rng.normal(size=(180, SETS))
    variance = by_cluster.mean_variance(values, by_cluster.codes([str(group) for group in groups]))
    half = stats.t.ppf(0.975, 29) * np.sqrt(variance)
    means = values.mean(axis=0)
    assert 0.93 <= covered(means - half, means + half, 0.0) <= 0.97
    naive = stats.t.ppf(0.975, 179) * values.std(axis=0, ddof=1) / np.sqrt(180)
    assert covered(means - naive, means + naive, 0.0) < 0.92


@pytest.mark.parametrize("training_sd", [0.01, 0.03])
def test_difference_of_two_methods_with_three_seeds_each(training_sd: float) -> None:
    """Both levels of noise at once; the estimate of the training noise is pooled over six methods."""
    rng = np.random.default_rng(9)
    clusters = by_cluster.codes([None] * 120)
    hits = 0
    for _ in range(SETS):
        examples = 0.3 * rng.normal(size=(6, 1, 120))
        shifts = training_sd * rng.normal(size=(6, 3, 1))
        values = examples + shifts + 0.15 * rng.normal(size=(6, 3, 120))
        noise = seeds.pool([seeds.training_noise(method, clusters) for method in values])
        low, high = seeds.difference(values[0], values[1], clusters, (noise, noise)).interval()
        hits += low <= 0.0 <= high
    assert 0.93 <= hits / SETS <= 0.97

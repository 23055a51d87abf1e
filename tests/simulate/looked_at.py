"""What is claimed when one looks after every example: false winners, and how many examples a right claim takes."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import stats

from harness.evidence.anytime import betting
from harness.evidence.anytime.claims import ERROR
from harness.evidence.anytime.e_values import e_holm
from harness.evidence.planning import ALPHA
from harness.evidence.stats import power
from harness.evidence.stats.resampling import Floats
from tests.simulate.world import World

_PEEKED_FROM = 10
"""Examples before which nobody would take a fixed-n interval seriously."""


def false_winners(world: World, repeats: int, seed: int = 1) -> tuple[float, float]:
    """Of equal recipes: percent of runs in which any is shown better than another at any look, and in which a paired
    test of a fixed number of examples, corrected over the pairs, would have shown it at some look."""
    rng, false, peeked = np.random.default_rng(seed), 0, 0
    for _ in range(repeats):
        differences = _differences(world.draw(rng)[:, 0, :])
        false += bool((_adjusted(differences) >= -math.log(ERROR)).any())
        peeked += _peeking_shows(differences)
    return 100 * false / repeats, 100 * peeked / repeats


def examples_to_claim(world: World, repeats: int, seed: int = 1) -> tuple[float, float, int]:
    """The first of two recipes is worse: median examples until that is shown, percent of runs that show it within
    `world.n`, and the fixed number of examples that a test with a power of 80 % needs."""
    rng, needed, spreads = np.random.default_rng(seed), [], []
    for _ in range(repeats):
        differences = _differences(world.draw(rng)[:, 0, :])
        shown = _adjusted(differences)[:, 1] >= -math.log(ERROR)  # the pair's other side
        needed.append(int(np.argmax(shown)) + 1 if shown.any() else math.inf)
        spreads.append(float(differences.std(ddof=1)))
    fixed = power.examples_for(world.behind[0], float(np.mean(spreads)), ALPHA)
    within = 100 * float(np.mean(np.isfinite(needed)))
    return float(np.median(needed)), within, fixed


def _differences(scores: Floats) -> Floats:
    """Every pair of recipes, (n, pairs)."""
    pairs = itertools.combinations(range(len(scores)), 2)
    return np.stack([scores[a] - scores[b] for a, b in pairs], axis=1)


def _adjusted(differences: Floats) -> Floats:
    """Adjusted log e-values after every example: the first recipe of each pair is better, then the second, (n, 2 × pairs)."""
    both = np.concatenate([differences, -differences], axis=1)
    return e_holm(betting.log_wealth(both, np.ones(len(both)), np.zeros(both.shape[1])))


def _peeking_shows(differences: Floats) -> bool:
    count = np.arange(1, len(differences) + 1)[:, None]
    mean = np.cumsum(differences, axis=0) / count
    square = np.cumsum(differences**2, axis=0) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(mean) / np.sqrt((square - mean**2) / (count - 1))
    critical = stats.norm.ppf(1 - ALPHA / 2 / differences.shape[1])
    return bool((np.nan_to_num(z[_PEEKED_FROM:], posinf=0.0) > critical).any())

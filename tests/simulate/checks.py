"""Gates and histories of made-up runs of which the truth is known."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from harness.evidence.stats import clusters, seeds
from harness.evidence.stats.resampling import Floats
from harness.regression import change_points
from harness.regression.metric_check import Pairs, check
from tests.simulate.world import Kind, World, mean

MARGIN = 0.02


def gate(kind: Kind, n: int, *, noise: float, reruns: int, loss: float, repeats: int) -> Counter[str]:
    """Outcomes of gating a run that is truly worse by `loss`; `reruns` other seeds of the pinned recipe measure
    the noise floor. With noise the recipe is trained."""
    rng, outcomes = np.random.default_rng(1), Counter[str]()
    world = World(kind=kind, n=n, recipes=2, seeds=1 + reruns, noise=noise, behind=(0.0, loss), trained=False)
    for _ in range(repeats):
        scores = world.draw(rng)
        floor = seeds.training_noise(scores[0], np.arange(n)) if reruns else None
        pairs = Pairs(
            metric="primary", before=scores[0, 0], after=scores[1, 0], groups=[None] * n,
            binary=kind == "binary", noise=floor, bound=1.0, trained=noise > 0,
        )  # fmt: skip
        outcomes[check(pairs, MARGIN).state] += 1
    return outcomes


def changes(kind: Kind, n: int, *, runs: int, noise: float, repeats: int) -> float:
    """Percent of histories of one recipe's seeds in which a change is marked."""
    rng, marked = np.random.default_rng(1), 0
    world = World(kind=kind, n=n, recipes=1, seeds=runs, noise=noise, trained=False)
    for _ in range(repeats):
        scores = world.draw(rng)[0]
        marked += change_points.step(scores, clusters.codes([None] * n)) is not None
    return 100 * marked / repeats


def losses(n: int, *, runs: int, loss: float, repeats: int) -> float:
    """Percent of histories in which a lasting loss is marked: identical answers, of which `loss` turn wrong."""
    rng, marked = np.random.default_rng(1), 0
    for _ in range(repeats):
        old = (rng.random(n) < mean("binary")).astype(float)
        new = old.copy()
        new[rng.choice(np.flatnonzero(old), math.ceil(loss * n), replace=False)] = 0.0
        scores: Floats = np.array([old] * (runs // 2) + [new] * (runs - runs // 2))
        marked += change_points.step(scores, clusters.codes([None] * n)) is not None
    return 100 * marked / repeats

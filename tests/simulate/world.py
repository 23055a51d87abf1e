"""Made-up test sets of which the truth is known: difficulty is shared between recipes, as in real ones.

Of the latent variance 60 % belongs to the example, 20 % to recipe × example, 20 % to the run. Groups
share a part of the difficulty (`icc`). Training noise moves a whole run's mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.random import Generator
from scipy import optimize, stats

from harness.evidence.stats.resampling import Floats
from harness.evidence.verdict_types import Cost, RunScores

Kind = Literal["binary", "graded", "zeros"]
KINDS: tuple[Kind, ...] = ("binary", "graded")
_SHARED, _OWN = 0.6, 0.2
_START = {"binary": 0.3, "graded": 0.3, "zeros": -0.15}
_GRID = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)


@dataclass(frozen=True, kw_only=True)
class World:
    """`recipes` × `seeds` runs on `n` examples; recipe 0 is a plain prompt, the others are trained."""

    kind: Kind = "binary"
    n: int = 200
    recipes: int = 2
    seeds: int = 1
    noise: float = 0.0
    """Standard deviation of a trained run's mean score."""
    behind: Sequence[float] = ()
    """How far each recipe's true mean is below the base one; empty: all are equal."""
    group_size: int = 1
    icc: float = 0.0
    """Share of the latent variance that a group's examples have in common, per recipe."""
    trained: bool = True

    def draw(self, rng: Generator) -> Floats:
        """Scores, (recipes, seeds, n)."""
        behind = self.behind or (0.0,) * self.recipes
        levels = np.array([_level(self.kind, mean(self.kind) - gap) for gap in behind])[:, None, None]
        own = _OWN if self.group_size == 1 else _OWN * (1 - self.icc)
        latent = (
            math.sqrt(_SHARED) * self._grouped(rng, 1)
            + math.sqrt(own) * rng.normal(size=(self.recipes, 1, self.n))
            + math.sqrt(1 - _SHARED - _OWN) * rng.normal(size=(self.recipes, self.seeds, self.n))
        )
        if self.group_size > 1:
            latent = latent + math.sqrt(_OWN * self.icc) * self._by_group(rng, self.recipes)
        shift = self.noise / _slope(self.kind) * rng.normal(size=(self.recipes, self.seeds, 1))
        shift[0] *= not self.trained
        return _score(self.kind, levels + shift - latent)

    def _grouped(self, rng: Generator, rows: int) -> Floats:
        alone = rng.normal(size=(rows, 1, self.n))
        if self.group_size == 1:
            return alone
        return math.sqrt(self.icc) * self._by_group(rng, rows) + math.sqrt(1 - self.icc) * alone

    def _by_group(self, rng: Generator, rows: int) -> Floats:
        groups = -(-self.n // self.group_size)
        return np.repeat(rng.normal(size=(rows, 1, groups)), self.group_size, axis=2)[:, :, : self.n]

    def runs(self, rng: Generator) -> list[RunScores]:
        """Drawn scores as finished runs; recipe i is dearer than recipe i - 1."""
        scores = self.draw(rng)
        groups = [None if self.group_size == 1 else f"g{i // self.group_size}" for i in range(self.n)]
        return [
            run(f"r{recipe:02d}", scores[recipe, seed], cost(recipe, trained=self.trained), seed=seed,
                binary=self.kind == "binary", groups=groups)
            for recipe in range(self.recipes)
            for seed in range(self.seeds if recipe or not self.trained else 1)
        ]  # fmt: skip


def run(
    recipe: str,
    values: Sequence[float | None] | Floats,
    price: Cost | None = None,
    *,
    seed: int = 0,
    binary: bool = True,
    groups: Sequence[str | None] = (),
) -> RunScores:
    """A finished run with the given score per example."""
    return RunScores(
        recipe=recipe,
        seed=seed,
        ids=tuple(f"e{i}" for i in range(len(values))),
        groups=tuple(groups or (None,) * len(values)),
        values=tuple(None if value is None else float(value) for value in values),
        binary=binary,
        cost=price or Cost(prompt_tokens=100),
    )


def cost(recipe: int, *, trained: bool) -> Cost:
    """The dearer, the higher the recipe's number; number 0 trains nothing."""
    if recipe and trained:
        return Cost(train_seconds=60.0 * recipe, trainable_parameters=1_000, prompt_tokens=100)
    return Cost(prompt_tokens=100 + 100 * recipe)


def _score(kind: Kind, ability: Floats) -> Floats:
    if kind == "binary":
        return (ability > 0).astype(float)
    if kind == "graded":
        return np.clip(0.25 + 0.45 * ability, 0, 1)
    return np.clip((ability - 1.0) / 1.2, 0, 1)


@lru_cache(maxsize=64)
def mean(kind: Kind, level: float | None = None) -> float:
    """True mean score at a level of ability (default: the kind's base level)."""
    return float(_score(kind, (_START[kind] if level is None else level) - _GRID).mean())


@lru_cache(maxsize=64)
def _level(kind: Kind, wanted: float) -> float:
    if abs(wanted - mean(kind)) < 1e-12:
        return _START[kind]
    return float(optimize.brentq(lambda level: mean(kind, level) - wanted, -6, 6))


@lru_cache(maxsize=8)
def _slope(kind: Kind) -> float:
    start = _START[kind]
    return (mean(kind, start + 0.05) - mean(kind, start - 0.05)) / 0.1

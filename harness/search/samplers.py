"""A space as Optuna distributions, its sampler and its pruner."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from harness.core.errors import ConfigError, nearest
from harness.core.keys import digest
from harness.search.dimension import Dimension
from harness.search.space import Space, random_points

if TYPE_CHECKING:
    import optuna

PRUNERS = ("none", "median", "hyperband", "wilcoxon")
STARTUP = 5
"""Finished trials before the first is compared with them."""


def distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution(cast(Sequence[str], dimension.choices))
    low, high = dimension.low or 0.0, dimension.high or 0.0
    if dimension.whole:
        return IntDistribution(round(low), round(high), log=dimension.log)
    return FloatDistribution(low, high, log=dimension.log)


def distributions(space: Space) -> dict[str, optuna.distributions.BaseDistribution]:
    return {dimension.name: distribution(dimension) for dimension in space.free}


def suggest(
    trial: optuna.Trial, space: Space, known: Mapping[str, optuna.distributions.BaseDistribution]
) -> None:
    """Let Optuna choose every knob of a trial whose condition holds; `known` are `distributions`."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for dimension in space.free:
        if not space.active(dimension, trial.params):
            continue
        distribution, log = known[dimension.name], dimension.log
        if isinstance(distribution, CategoricalDistribution):
            trial.suggest_categorical(dimension.name, distribution.choices)
        elif isinstance(distribution, IntDistribution):
            trial.suggest_int(dimension.name, distribution.low, distribution.high, log=log)
        elif isinstance(distribution, FloatDistribution):
            trial.suggest_float(dimension.name, distribution.low, distribution.high, log=log)


def sampler(seed: int, worker: int = 0) -> optuna.samplers.BaseSampler:
    """TPE (Bergstra et al. 2011), multivariate; workers draw apart, and a trial that is still running
    counts as a bad one (constant liar), so that they do not crowd one region."""
    from optuna.samplers import TPESampler

    return TPESampler(seed=seed * 1009 + worker, n_startup_trials=8)


def pruner(name: str) -> optuna.pruners.BasePruner:
    """`median`: worse than half of the trials at the same rung; `hyperband`: Li et al. 2018; `wilcoxon`:
    worse than the best, example by example (signed ranks).

    Raises:
        ConfigError: an unknown name.
    """
    from optuna import pruners
    from optuna.exceptions import ExperimentalWarning

    if name not in PRUNERS:
        raise ConfigError(f"unknown pruner '{name}'", remedy=nearest(name, PRUNERS))
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=STARTUP)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource="auto", reduction_factor=3)
    if name == "wilcoxon":
        with warnings.catch_warnings():
            # Optuna calls its interface experimental; what it decides is tested here.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=8)
    return pruners.NopPruner()


def unseen(space: Space, tried: set[str], seed: int) -> dict[str, object] | None:
    """A configuration that no trial has used; None if 2,000 draws found none."""
    for params in random_points(space, 2000, seed):
        if mark(space.complete(params)) not in tried:
            return params
    return None


def mark(values: Mapping[str, object]) -> str:
    """The identity of a configuration; `values` must be complete."""
    return digest(dict(values))

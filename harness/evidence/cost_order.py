"""Which recipe is cheaper: one order for every verdict.

1. A recipe without training comes before one that trains: training brings a pipeline, weights to keep, ship
and pin, and retraining for every new base model.
2. Among trained ones, fewer seconds of training (rounded to two figures) come first.
3. Then fewer tokens per answer, in and out: paid on every call, and the same on any machine.
4. Then fewer seconds per answer (two figures), and the recipe's name, so that the order is total.

It uses no prices. With prices, `cost.py` computes the volume at which the order reverses.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.evidence.verdict_types import Cost

CostKey = tuple[bool, float, float, float, str]


def trained(cost: Cost) -> bool:
    """Whether anything was trained."""
    return cost.trainable_parameters > 0 or cost.train_seconds > 0


def cost_key(recipe: str, cost: Cost) -> CostKey:
    """Sorts recipes from cheapest to most expensive."""
    return (
        trained(cost),
        _rounded(cost.train_seconds),
        round(cost.prompt_tokens + cost.output_tokens, 1),
        _rounded(cost.answer_seconds),
        recipe,
    )


def cheapest_first(costs: Mapping[str, Cost]) -> list[str]:
    """Names of recipes, the cheapest first."""
    return sorted(costs, key=lambda recipe: cost_key(recipe, costs[recipe]))


def _rounded(seconds: float) -> float:
    """Two figures: small timing differences between runs of a recipe must not change the order."""
    return float(f"{seconds:.2g}")

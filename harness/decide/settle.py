"""What would settle an open verdict: more test examples, more groups of them, or more seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.decide.compare import flip, level_of_each
from harness.decide.values import Comparison

Missing = Literal["nothing", "examples", "groups", "seeds"]


@dataclass(frozen=True)
class Need:
    """What is missing, and how many more examples where it is those."""

    missing: Missing
    examples: int | None = None


def need(leaders: Sequence[str], comparisons: Sequence[Comparison], margin: float) -> Need:
    """What settles whether the cheapest of `leaders` (the first) is as good as every other.

    Each pair is looked at from the cheapest one, whichever way round it is stored: a pair may be open from
    one side ("is it worse?") and settled from the other.
    """
    alpha = level_of_each(len(comparisons))
    pairs = [pair for pair in comparisons if {pair.recipe, pair.reference} <= set(leaders)]
    mine = [pair for pair in pairs if leaders[0] in (pair.recipe, pair.reference)]
    turned = [pair if pair.recipe == leaders[0] else flip(pair, margin, alpha) for pair in mine]
    still_open = [pair for pair in turned if pair.outcome == "inconclusive"]
    if not still_open:
        return Need("nothing")
    if any(not math.isfinite(pair.sampling_se) for pair in still_open):
        return Need("groups")
    counts = [pair.examples_needed for pair in still_open if pair.examples_needed is not None]
    return Need("examples", max(counts)) if len(counts) == len(still_open) else Need("seeds")

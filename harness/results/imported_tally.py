"""A metric's values in another tool's log: their totals, and whether they are scores."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

from harness.imports.sample import Metric

BEYOND = "are not scores within [0, 1]"
"""What is wrong with values such as percentages."""
_CLOSE = 1e-6
"""How close the mean of the samples must be to the mean that the tool reports, relative to it."""


@dataclass(frozen=True)
class Tally:
    """A metric's values as in the log, and their totals."""

    values: array[float] = field(default_factory=lambda: array("d"))

    def join(self, other: Tally) -> None:
        self.values.extend(other.values)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    @property
    def graded(self) -> bool:
        """Whether some value is neither 0 nor 1."""
        return not set(self.values) <= {0.0, 1.0}

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / self.n


def unusable(metric: Metric, tally: Tally) -> str:
    """Why a metric's values per sample are not scores; empty if they are."""
    if not tally.n:
        return f"{metric.name} has no number per sample"
    if metric.mean is not None and abs(tally.mean - metric.mean) > _CLOSE * max(1.0, abs(metric.mean)):
        return (
            f"{metric.name}: its {tally.n} samples average to {tally.mean:.6g}, and the log says {metric.mean:.6g}, so "
            "they are not that score's values; left out"
        )
    if tally.low < 0.0 or tally.high > 1.0:
        return f"{metric.name}: values from {tally.low:.6g} to {tally.high:.6g} {BEYOND}"
    return ""

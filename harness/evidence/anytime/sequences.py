"""Confidence sequences and e-processes of differences and of mean scores, by the method that fits the data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.evidence.anytime import asymptotic, betting
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats.resampling import Floats

Process = Callable[[Floats, Floats, Floats], Floats]
_HALVINGS = 22
"""Steps of the search for an end of the interval: precise to a millionth of a point."""


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """Differences in [-1, 1] in the order in which their examples were asked.

    `totals` are sums over each unit (a group, or an example), as a share of the largest unit: (n,). `sizes`: (n,).
    """

    totals: Floats
    sizes: Floats
    many: bool = False
    """Whether enough graded scores are planned for the asymptotic method; decided before any is seen."""

    @property
    def method(self) -> str:
        how = "normal mixture" if self.many else "betting"
        return f"confidence sequence ({how}), valid whenever one looks"

    def log_evidence(self, mean: float, *, below: bool = False) -> Floats:
        """Log of the e-process after each unit against "the mean is at most `mean`", or at least it: (n,)."""
        sign = -1.0 if below else 1.0
        return self._process(sign * self.totals[:, None], self.sizes, np.array([sign * mean]))[:, 0]

    def interval(self, error: float) -> tuple[float, float]:
        """The means that were never refuted: they contain the truth at all times together, except with
        probability `error`."""
        low = self._end(self.totals, error / 2)
        high = self._end(-self.totals, error / 2)
        # The two ends cross only if that error has happened.
        middle = self.mean
        return min(low, middle), max(-high, middle)

    @cached_property
    def mean(self) -> float:
        return float(self.totals.sum() / self.sizes.sum())

    @property
    def _process(self) -> Process:
        return asymptotic.log_evidence if self.many else betting.log_wealth

    def _end(self, totals: Floats, error: float) -> float:
        """The largest mean that the evidence refutes: refuting one refutes all that are smaller."""
        low, high, needed = -1.0, 1.0, -math.log(error)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            refuted = self._process(totals[:, None], self.sizes, np.array([middle])).max() >= needed
            low, high = (middle, high) if refuted else (low, middle)
        return low


def sequence(differences: Floats, clusters: by_cluster.Codes, places: Floats, *, many: bool) -> Sequence:
    """Differences as a sequence of units.

    Args:
        differences: per example, in [-1, 1]: (n,).
        clusters: which group each belongs to: (n,).
        places: the position of each in the order of asking: (n,).
        many: see `Sequence.many`.
    """
    totals = by_cluster.sums(differences, clusters)[:, 0]
    sizes = by_cluster.sizes(clusters)
    first = np.full(len(sizes), np.inf)
    np.minimum.at(first, clusters, places)
    order = np.argsort(first, kind="stable")
    largest = sizes.max()
    return Sequence(totals=totals[order] / largest, sizes=sizes[order] / largest, many=many)

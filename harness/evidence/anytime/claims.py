"""What may be claimed about recipes whose answering stopped once the verdict was sure.

The moment to stop was chosen by looking at the answers, so intervals for a fixed number of examples are not
valid. Confidence sequences are, and so are claims by e-Holm. `ERROR` of the 5 % is for them, and the rest is
for the fixed-n verdict (`stats.simultaneous.TOGETHER`), so that claims of both kinds hold together at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Several
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from harness.evidence.anytime.asymptotic import MANY
from harness.evidence.anytime.e_values import e_holm
from harness.evidence.anytime.order import order
from harness.evidence.anytime.sequences import Sequence, sequence
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats.intervals import t_quantile
from harness.evidence.stats.resampling import Floats

ERROR = 0.02
"""Chance that any claim made while looking is wrong, at any look."""
_JUST_ABOVE = 1e-9
"""The end of an interval that e-Holm keeps away from 0."""


class Answered(Protocol):
    """The examples of one recipe or pair (`aggregate.RecipeScores`)."""

    @property
    def ids(self) -> Several[str]: ...

    @property
    def binary(self) -> bool: ...

    @property
    def planned(self) -> int | None: ...

    @property
    def values(self) -> Floats: ...

    def clusters(self, ids: Several[str]) -> by_cluster.Codes: ...


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A pair in which at least one side was not asked everything: its differences in the order of asking."""

    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    differences: Floats
    clusters: by_cluster.Codes
    binary: bool
    planned: int
    training_se: float | None = None
    training_df: float = math.inf

    @cached_property
    def sequence(self) -> Sequence:
        many = not self.binary and self.planned >= MANY
        places = _places(self.ids, self.groups)
        return sequence(self.differences, self.clusters, places, many=many)

    def allowance(self, pairs: int) -> float:
        """How much training again may change the difference, at half of the error; 0 if nothing was
        trained."""
        if self.training_se is None:
            return 0.0
        return t_quantile(1 - ERROR / 4 / pairs, self.training_df) * self.training_se

    @property
    def error(self) -> float:
        """The error left for the sampling of examples."""
        return ERROR if self.training_se is None else ERROR / 2


@dataclass(frozen=True)
class Claim:
    """Ends of a pair's interval, its anytime-valid p-value, and that p-value adjusted over all pairs."""

    low: float
    high: float
    p: float
    p_holm: float
    method: str


def claims(pairs: Several[Stopped], of: int) -> list[Claim]:
    """What is known of each pair, all together at `1 - ERROR`.

    Args:
        pairs: the pairs to judge this way.
        of: how many pairs the verdict has.
    """
    if not pairs:
        return []
    # Pairs that are judged in another way, or not yet, contribute no evidence: an e-value of 1.
    logs = np.zeros((max(len(pair.sequence.totals) for pair in pairs), 2 * of))
    for i, pair in enumerate(pairs):
        # To allow for training noise, bet against a difference that it could explain.
        more, units = min(pair.allowance(of), 0.999), len(pair.sequence.totals)
        logs[:units, 2 * i] = pair.sequence.log_evidence(more)
        logs[:units, 2 * i + 1] = pair.sequence.log_evidence(-more, below=True)
        logs[units:, 2 * i : 2 * i + 2] = logs[units - 1, 2 * i : 2 * i + 2]
    # An average of evidence at one moment is evidence; an average of each one's best moment is not.
    adjusted = e_holm(logs).max(axis=0)
    logs = logs.max(axis=0)
    return [
        _claim(pair, of, logs[2 * i : 2 * i + 2], adjusted[2 * i : 2 * i + 2]) for i, pair in enumerate(pairs)
    ]


def _claim(pair: Stopped, of: int, logs: Floats, adjusted: Floats) -> Claim:
    more, needed = pair.allowance(of), -math.log(pair.error)
    low, high = pair.sequence.interval(pair.error / of)
    low, high = max(-1.0, low - more), min(1.0, high + more)
    above, below = adjusted[0] >= needed, adjusted[1] >= needed
    if above:
        low = max(low, _JUST_ABOVE)
    if below:
        high = min(high, -_JUST_ABOVE)
    if not above:
        low = min(low, 0.0)
    if not below:
        high = max(high, 0.0)
    return Claim(low, high, _p(logs), _p(adjusted, halved=False), pair.sequence.method)


def _p(logs: Floats, *, halved: bool = True) -> float:
    """The p-value of a pair's two sides: 1/e, or twice that if the sides were not adjusted yet."""
    return min(1.0, (2.0 if halved else 1.0) * math.exp(-float(logs.max())))


def mean_interval(table: Answered, groups: Several[str | None], recipes: int) -> tuple[float, float]:
    """Confidence sequence of one recipe's mean score within [0, 1], together with those of all `recipes`."""
    ids, values = tuple(table.ids), table.values.mean(axis=0)
    many = not table.binary and (table.planned or 0) >= MANY
    places = _places(ids, groups)
    low, high = sequence(2 * values - 1, table.clusters(ids), places, many=many).interval(ERROR / recipes)
    return (low + 1) / 2, (high + 1) / 2


def _places(ids: Several[str], groups: Several[str | None]) -> Floats:
    places = np.empty(len(ids))
    places[order(ids, groups)] = np.arange(len(ids))
    return places

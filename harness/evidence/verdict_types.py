"""What a verdict is made from and made of: frozen, plain, and JSON through `to_json()`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.core.finite import finite

Outcome = Literal["better", "worse", "not_worse", "equivalent", "inconclusive"]
VerdictKind = Literal["winner", "tie", "no_difference", "inconclusive", "nothing_to_compare"]


class Jsonable:
    """A dataclass that turns into plain JSON values; infinities and NaN become null."""

    def to_json(self) -> dict[str, Any]:
        plain = finite(dataclasses.asdict(self))  # type: ignore[call-overload]
        assert isinstance(plain, dict)
        return plain


@dataclass(frozen=True, kw_only=True)
class Cost(Jsonable):
    """What one run costs. Seconds are wall time on the run's machine; None is "not measured"."""

    train_seconds: float = 0.0
    answer_seconds: float = 0.0
    """Seconds per answer at the batch size used."""
    prompt_tokens: float = 0.0
    """Mean tokens in per answer."""
    output_tokens: float = 0.0
    """Mean tokens out per answer."""
    trainable_parameters: int = 0
    peak_memory_bytes: int | None = None
    bytes_to_ship: int = 0
    latency_p50: float | None = None
    latency_p95: float | None = None
    throughput: float | None = None
    """Answers per second at the batch size used."""


@dataclass(frozen=True, kw_only=True)
class RunScores(Jsonable):
    """One finished run, reduced to what decides: its primary score per test example.

    `ids`, `groups` and `values` have one entry per example. A value of None is an execution
    error or a skipped example: it is left out of every pair, and never counts as wrong.
    """

    recipe: str
    seed: int
    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    values: tuple[float | None, ...]
    binary: bool = False
    cost: Cost = field(default_factory=Cost)
    valid_strict: float = 1.0
    valid_extracted: float = 1.0
    failures: Mapping[str, int] = field(default_factory=dict)
    """Failure mode → number of answers, as `failures.label` names them."""
    oracle: bool = False
    """Whether the recipe sees what no user has (gold passages): an upper bound, never a winner."""


@dataclass(frozen=True, kw_only=True)
class RecipeSummary(Jsonable):
    """One recipe over its seeds: mean score with a 95 % interval, and what it costs."""

    recipe: str
    seeds: int
    n: int
    """Examples with a score in every seed."""
    mean: float
    low: float
    high: float
    seed_sd: float | None
    """Standard deviation of the mean score over seeds (training noise); None with one seed."""
    valid_strict: float
    valid_extracted: float
    cost: Cost
    failures: Mapping[str, int]
    rank_by_cost: int
    """1 is the cheapest (`ordering.py` says how recipes are ordered)."""
    oracle: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison(Jsonable):
    """`recipe` minus `reference`, paired on the same examples."""

    recipe: str
    reference: str
    difference: float
    low: float
    high: float
    """Ends of the 95 % interval of the difference (not adjusted for the number of comparisons)."""
    p: float
    p_holm: float
    """p after Holm's correction over every comparison of the verdict."""
    n: int
    outcome: Outcome
    examples_needed: int | None
    """More test examples that would settle it; 0 when settled, None when no number would."""
    wins: int = 0
    losses: int = 0
    sampling_se: float = 0.0
    """Standard error from which examples happened to be in the test set."""
    training_se: float | None = None
    """Standard error from training again with another seed; None when no recipe had two seeds."""
    method: str = ""
    """How the interval and the p-value were computed."""


@dataclass(frozen=True, kw_only=True)
class Verdict(Jsonable):
    """The answer to "which method?", computed once and shown the same everywhere."""

    task: str
    model: str
    primary: str
    margin: float
    n: int
    seeds: int
    kind: VerdictKind
    winner: str | None
    """Set for kind `winner` only."""
    best: str | None
    """The highest mean; not necessarily measurably the best. Never an oracle."""
    recommended: str | None
    """What to use until more is known; equals `winner` where there is one."""
    leaders: tuple[str, ...]
    """Recipes that are not shown to be worse than the best, cheapest first."""
    sentence: str
    reasons: tuple[str, ...]
    summaries: tuple[RecipeSummary, ...]
    """Highest mean first, oracles included."""
    comparisons: tuple[Comparison, ...]
    """The recommended recipe against every other, then the remaining pairs."""
    minimum_detectable_difference: float | None
    next_step: str
    evidence: tuple[str, ...]

    def comparison(self, recipe: str, reference: str) -> Comparison | None:
        """The stored comparison of these two, in whichever direction it is stored."""
        wanted = {recipe, reference}
        return next((c for c in self.comparisons if {c.recipe, c.reference} == wanted), None)

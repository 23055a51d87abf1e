"""Every pair of recipes, on the examples both answered: difference, interval, p-value, outcome.

How a pair is computed depends on its data, and the comparison says which was used:

    one run each, independent examples, 0/1 scores   adjusted interval, exact McNemar test
    one run each, independent examples, graded       BCa bootstrap, sign-flip permutation test
    one run each, grouped examples                   cluster-robust t, sign-flip of whole groups
    several seeds                                    t over test-set and training variance
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence.aggregate import RecipeScores, pooled_noise
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, power, seeds
from harness.evidence.stats.equivalence import equivalent, not_worse
from harness.evidence.stats.intervals import student
from harness.evidence.stats.multiple import holm
from harness.evidence.stats.resampling import Floats
from harness.evidence.verdict_types import Comparison, Outcome

ALPHA = 0.025
"""For all claims of a difference together. The claims "not worse" have the other 2.5 %, so that
a whole verdict is wrong in at most 5 of 100 cases."""


@dataclass(frozen=True, kw_only=True)
class _Pair:
    first: RecipeScores
    second: RecipeScores
    differences: Floats
    """Per example, mean over the seeds of each: (n,)."""
    clusters: by_cluster.Codes
    estimate: seeds.Estimate

    @property
    def binary(self) -> bool:
        return self.first.binary and self.second.binary

    @property
    def seeded(self) -> bool:
        return self.estimate.training_se is not None

    @property
    def grouped(self) -> bool:
        return by_cluster.count(self.clusters) < len(self.differences)


@dataclass(frozen=True)
class _Result:
    low: float
    high: float
    p: float
    method: str


def compare(tables: Sequence[RecipeScores], margin: float) -> list[Comparison]:
    """Every pair with a shared example, each once; the first minus the second."""
    noise = pooled_noise(tables)
    pairs = [_pair(first, second, noise) for first, second in itertools.combinations(tables, 2)]
    known = [pair for pair in pairs if pair is not None]
    results = _results(known)
    adjusted = holm([result.p for result in results])
    alpha = level_of_each(len(known))
    rows = zip(known, results, adjusted, strict=True)
    return [_comparison(pair, result, p, margin, alpha) for pair, result, p in rows]


def level_of_each(comparisons: int) -> float:
    """What one p-value must stay below when it is the smallest of `comparisons` (Holm's first step)."""
    return ALPHA / max(comparisons, 1)


def flip(comparison: Comparison, margin: float, alpha: float) -> Comparison:
    """The same comparison seen from the other recipe."""
    low, high = -comparison.high, -comparison.low
    turned = dataclasses.replace(
        comparison,
        recipe=comparison.reference,
        reference=comparison.recipe,
        difference=-comparison.difference,
        low=low,
        high=high,
        wins=comparison.losses,
        losses=comparison.wins,
    )
    outcome = _outcome(turned.difference, low, high, comparison.p_holm, margin)
    needed = _needed(turned, margin, alpha) if outcome == "inconclusive" else 0
    return dataclasses.replace(turned, outcome=outcome, examples_needed=needed)


def _pair(first: RecipeScores, second: RecipeScores, noise: seeds.TrainingNoise | None) -> _Pair | None:
    ids = sorted(set(first.ids) & set(second.ids))
    if not ids:
        return None
    a, b = first.on(ids), second.on(ids)
    differences, clusters = a.mean(axis=0) - b.mean(axis=0), first.clusters(ids)
    granted = (noise if first.seeded else None, noise if second.seeded else None)
    estimate = seeds.difference(a, b, clusters, granted)
    if (first.binary and second.binary) or paired.few(differences):
        floor = paired.with_imaginary_pair(differences)[1]
        estimate = dataclasses.replace(estimate, sampling_se=max(estimate.sampling_se, floor))
    return _Pair(first=first, second=second, differences=differences, clusters=clusters, estimate=estimate)


def _results(pairs: Sequence[_Pair]) -> list[_Result]:
    """Results in order; pairs of the same shape share their resamples."""
    found: dict[int, _Result] = {}
    alike: dict[tuple[int, bool], list[int]] = {}
    for position, pair in enumerate(pairs):
        if pair.seeded or pair.grouped or len(pair.differences) < 2:
            found[position] = _structured(pair)
        else:
            alike.setdefault((len(pair.differences), pair.binary), []).append(position)
    for (_, binary), positions in alike.items():
        columns = np.stack([pairs[i].differences for i in positions], axis=1)
        low, high = paired.interval(columns, binary=binary)
        if binary:
            p_values = np.array([paired.mcnemar(*paired.wins_and_losses(column)) for column in columns.T])
            method = "adjusted interval for paired rates; exact McNemar test"
        else:
            p_values = paired.sign_flip(columns)
            method = "BCa bootstrap and Student's t, outer ends; sign-flip permutation test"
        for i, ends in zip(positions, zip(low, high, p_values, strict=True), strict=True):
            found[i] = _Result(float(ends[0]), float(ends[1]), float(ends[2]), method)
    return [found[position] for position in range(len(pairs))]


def _structured(pair: _Pair) -> _Result:
    """Grouped examples or several seeds: Student's t on the variances that belong to them."""
    estimate = pair.estimate
    low, high = student(estimate.mean, estimate.se, estimate.df)
    if pair.seeded:
        what = "groups and seeds" if pair.grouped else "seeds"
        return _Result(low, high, estimate.p, f"Student's t with variance of examples, {what}")
    totals = by_cluster.sums(pair.differences, pair.clusters)
    p = float(paired.sign_flip(totals)[0])
    return _Result(low, high, p, "cluster-robust Student's t; sign-flip of whole groups")


def _comparison(pair: _Pair, result: _Result, p_holm: float, margin: float, alpha: float) -> Comparison:
    wins, losses = paired.wins_and_losses(pair.differences)
    difference = pair.estimate.mean
    low, high = max(-1.0, min(result.low, difference)), min(1.0, max(result.high, difference))
    plain = Comparison(
        recipe=pair.first.recipe,
        reference=pair.second.recipe,
        difference=difference,
        low=low,
        high=high,
        p=result.p,
        p_holm=p_holm,
        n=len(pair.differences),
        outcome=_outcome(difference, low, high, p_holm, margin),
        examples_needed=0,
        wins=wins,
        losses=losses,
        sampling_se=pair.estimate.sampling_se,
        training_se=pair.estimate.training_se,
        method=result.method,
    )
    if plain.outcome != "inconclusive":
        return plain
    return dataclasses.replace(plain, examples_needed=_needed(plain, margin, alpha))


def _outcome(difference: float, low: float, high: float, p_holm: float, margin: float) -> Outcome:
    """A difference inside the margin does not matter, so "equivalent" comes first."""
    if equivalent(low, high, margin):
        return "equivalent"
    if p_holm <= ALPHA and difference != 0.0:
        return "better" if difference > 0 else "worse"
    return "not_worse" if not_worse(low, margin) else "inconclusive"


def _needed(comparison: Comparison, margin: float, alpha: float) -> int | None:
    """More test examples that would settle it, if the truth is what was observed."""
    sd = comparison.sampling_se * comparison.n**0.5
    total = power.examples_to_settle(
        comparison.difference, sd, margin, training_se=comparison.training_se or 0.0, alpha=alpha
    )
    return None if total is None else max(total - comparison.n, 1)

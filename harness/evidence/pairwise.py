"""Every pair of recipes, on the examples both answered: difference, interval, p-value, outcome.

One interval decides a pair's outcome, and it is the one that is shown. All intervals of a
verdict hold together at 95 % (`stats/simultaneous.py`), so that any one of them may be quoted.
How a pair is computed depends on its data, and the comparison says which was used:

    one run each, independent examples, 0/1 scores   adjusted interval, exact McNemar test
    one run each, independent examples, graded       BCa bootstrap, sign-flip permutation test
    one run each, grouped examples                   cluster-robust t, sign-flip of whole groups
    several seeds, or a noise floor                  t over test-set and training variance
    the same trained weights on both sides           as with one run each; of several seeds, paired by training
    answering stopped once the verdict was sure      confidence sequence, e-Holm (`anytime/`)

Groups that were seen do not show what the next one does: a document that the index lacks is lost whole, and a
tenth of the groups may be without a test of twenty holding one. So the interval of a pair over groups that shows
no difference allows for one more group that is won and one that is lost.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from harness.evidence.aggregate import RecipeScores, assumed_noise, granted_noise, means_covariance
from harness.evidence.anytime import claims as anytime
from harness.evidence.planning import ALPHA, examples_needed, level_of_each
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import paired, seeds, simultaneous
from harness.evidence.stats.equivalence import equivalent, not_worse
from harness.evidence.stats.intervals import student
from harness.evidence.stats.multiple import holm
from harness.evidence.stats.resampling import Floats
from harness.evidence.verdict_types import Comparison, Outcome


@dataclass(frozen=True, kw_only=True)
class _Pair:
    first: RecipeScores
    second: RecipeScores
    differences: Floats
    """Per example, mean over the seeds of each: (n,)."""
    clusters: by_cluster.Codes
    estimate: seeds.Estimate
    whole_group_se: float
    """See `Comparison.whole_group_se`."""
    ids: tuple[str, ...]
    training_df: float
    """Degrees of freedom of the training noise."""

    @property
    def planned(self) -> int | None:
        """Examples that would have been asked, where answering of a side stopped before."""
        return max((n for n in (self.first.planned, self.second.planned) if n is not None), default=None)

    @property
    def binary(self) -> bool:
        return self.first.binary and self.second.binary

    @property
    def seeded(self) -> bool:
        return self.estimate.training_se is not None

    @property
    def groups(self) -> int:
        return by_cluster.count(self.clusters)

    @property
    def grouped(self) -> bool:
        return self.groups < len(self.differences)


@dataclass(frozen=True)
class _Result:
    low: float
    high: float
    p: float
    method: str
    p_holm: float | None = None
    """Known already where answering stopped once the verdict was sure."""


def compare(
    tables: Sequence[RecipeScores],
    margin: float,
    noise: Mapping[str, seeds.TrainingNoise] | None = None,
    *,
    at_once: int = 1,
) -> list[Comparison]:
    """Every pair with a shared example, each once; the first minus the second.

    Claims about a recipe trained with one seed must hold if training varies as much as is assumed
    (`stats.seeds.ASSUMED`). Claims that hold only without that are provisional, with the interval of these
    runs alone.

    Args:
        tables: scores of the recipes to compare.
        margin: the difference that does not matter, in score units.
        noise: training noise known from elsewhere (earlier seeds, `--aa`), by recipe.
        at_once: how many such calls are made together, so that all their claims hold at the level.
    """
    granted = granted_noise(tables, noise or {})
    assumed = assumed_noise(tables, granted)
    sure = _compared(tables, margin, assumed, at_once)
    once = assumed.keys() - granted.keys()
    if not once:
        return sure
    alone = _compared(tables, margin, granted, at_once)
    return [
        _carried(with_noise, pair, margin) if _rests_on_luck(pair, tables, once) else with_noise
        for with_noise, pair in zip(sure, alone, strict=True)
    ]


def _rests_on_luck(pair: Comparison, tables: Sequence[RecipeScores], once: Set[str]) -> bool:
    """Whether a side was trained with one seed of unknown noise, which the other side does not share."""
    first, second = (
        next(table for table in tables if table.recipe == name) for name in (pair.recipe, pair.reference)
    )
    return bool(once & {pair.recipe, pair.reference}) and not first.shares_weights(second)


def _compared(
    tables: Sequence[RecipeScores],
    margin: float,
    granted: Mapping[str, seeds.TrainingNoise],
    at_once: int,
) -> list[Comparison]:
    pairs = [_pair(first, second, granted) for first, second in itertools.combinations(tables, 2)]
    known = [pair for pair in pairs if pair is not None]
    together = _level(tables, granted, [pair is not None for pair in pairs])
    level = 1 - (1 - together) / at_once
    results = _results(known, level, at_once)
    adjusted = [
        min(1.0, at_once * p) if result.p_holm is None else result.p_holm
        for p, result in zip(holm([result.p for result in results]), results, strict=True)
    ]
    alpha = level_of_each(len(known) * at_once)
    rows = zip(known, results, adjusted, strict=True)
    return [_comparison(pair, result, p, margin, level, alpha) for pair, result, p in rows]


def _carried(sure: Comparison, alone: Comparison, margin: float) -> Comparison:
    """The comparison with the assumed training noise; a difference (or none) that only these runs alone show
    is claimed provisionally."""
    low, high = min(sure.low, alone.low), max(sure.high, alone.high)
    outcome = _outcome(low, high, margin)
    if alone.outcome in ("better", "worse", "equivalent") and outcome != alone.outcome:
        return dataclasses.replace(alone, provisional=True)
    needed = sure.examples_needed if outcome == sure.outcome else None
    return dataclasses.replace(
        sure,
        low=low,
        high=high,
        outcome=outcome,
        examples_needed=needed if outcome == "inconclusive" else 0,
        provisional=outcome == "inconclusive",
    )


def _level(
    tables: Sequence[RecipeScores], granted: Mapping[str, seeds.TrainingNoise], shared: Sequence[bool]
) -> float:
    """Level of each pair's interval at which all of them hold together."""
    covariance = means_covariance(tables, granted)
    if covariance is None or not any(shared):
        return simultaneous.bonferroni(sum(shared))
    contrasts = simultaneous.pairwise(len(tables))[np.array(shared)]
    return simultaneous.level_of_named([table.recipe for table in tables], covariance, contrasts)


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
    outcome = _outcome(low, high, margin)
    needed = examples_needed(turned, margin, alpha) if outcome == "inconclusive" else 0
    return dataclasses.replace(turned, outcome=outcome, examples_needed=needed)


def _pair(
    first: RecipeScores, second: RecipeScores, granted: Mapping[str, seeds.TrainingNoise]
) -> _Pair | None:
    ids = first.ids if first.ids == second.ids else tuple(sorted(set(first.ids) & set(second.ids)))
    if not ids:
        return None
    a, b = first.on(ids), second.on(ids)
    differences, clusters = a.mean(axis=0) - b.mean(axis=0), first.clusters(ids)
    if first.shares_weights(second):
        each = a[first.by_training()] - b[second.by_training()]
        sides = [(seeds.training_noise(each, clusters), first.seeds)]
    else:
        sides = [
            (seeds.larger(table.noise, granted.get(table.recipe)), table.seeds) for table in (first, second)
        ]
    estimate = seeds.of_differences(differences, clusters, *sides)
    whole = 0.0
    if paired.needs_imagination(differences, clusters, binary=first.binary and second.binary):
        size = paired.imaginary_size(differences, clusters)
        floor = paired.with_imaginary_groups(differences, clusters, size)[1]
        estimate = dataclasses.replace(estimate, sampling_se=max(estimate.sampling_se, floor))
    if by_cluster.count(clusters) < len(ids):
        whole = paired.with_imaginary_groups(differences, clusters)[1]
    return _Pair(
        first=first,
        second=second,
        differences=differences,
        clusters=clusters,
        estimate=estimate,
        whole_group_se=whole,
        ids=ids,
        training_df=min((noise.df for noise, _ in sides if noise is not None), default=math.inf),
    )


def _stopped(pair: _Pair, planned: int) -> anytime.Stopped:
    return anytime.Stopped(
        ids=pair.ids,
        groups=tuple(pair.first.groups[id_] for id_ in pair.ids),
        differences=pair.differences,
        clusters=pair.clusters,
        binary=pair.binary,
        planned=planned,
        training_se=pair.estimate.training_se,
        training_df=pair.training_df,
    )


def _results(pairs: Sequence[_Pair], level: float, at_once: int) -> list[_Result]:
    """Results in order; pairs of the same shape share their resamples."""
    results: dict[int, _Result] = {}
    alike: dict[tuple[int, bool], list[int]] = {}
    early = {i: _stopped(pair, pair.planned) for i, pair in enumerate(pairs) if pair.planned is not None}
    for i, claim in zip(early, anytime.claims(list(early.values()), len(pairs) * at_once), strict=True):
        results[i] = _Result(claim.low, claim.high, claim.p, claim.method, claim.p_holm)
    for position, pair in enumerate(pairs):
        if position in early:
            continue
        if pair.seeded or pair.grouped or len(pair.differences) < 2:
            results[position] = _structured(pair, level)
        else:
            alike.setdefault((len(pair.differences), pair.binary), []).append(position)
    for (_, binary), positions in alike.items():
        columns = np.stack([pairs[i].differences for i in positions], axis=1)
        low, high = paired.interval(columns, binary=binary, level=level)
        if binary:
            p_values = np.array([paired.mcnemar(*paired.wins_and_losses(column)) for column in columns.T])
            method = "adjusted interval for paired rates; exact McNemar test"
        else:
            p_values = paired.sign_flip(columns)
            method = "BCa bootstrap and Student's t, outer ends; sign-flip permutation test"
        for i, ends in zip(positions, zip(low, high, p_values, strict=True), strict=True):
            results[i] = _Result(float(ends[0]), float(ends[1]), float(ends[2]), method)
    return [results[position] for position in range(len(pairs))]


def _structured(pair: _Pair, level: float) -> _Result:
    """Grouped examples or several seeds: Student's t on the variances that belong to them."""
    estimate = pair.estimate
    if pair.seeded:
        low, high = student(estimate.mean, estimate.se, estimate.df, level)
        what = "groups and seeds" if pair.grouped else "seeds"
        return _Result(low, high, estimate.p, f"Student's t with variance of examples, {what}")
    low, high = paired.grouped_interval(pair.differences, pair.clusters, binary=pair.binary, level=level)
    if pair.grouped and pair.groups < 2:
        return _Result(low, high, 1.0, "one group: nothing can be said about others")
    totals = by_cluster.sums(pair.differences, pair.clusters)
    p = float(paired.sign_flip(totals)[0])
    return _Result(low, high, p, "cluster-robust t; sign-flip of whole groups")


def _careful(pair: _Pair, low: float, high: float, level: float) -> tuple[float, float]:
    """The interval; where it shows no difference, it reaches as far as a whole group that nobody saw, won or lost,
    could move the mean."""
    if pair.whole_group_se <= pair.estimate.sampling_se or not low <= 0.0 <= high:
        return low, high
    se = math.hypot(pair.whole_group_se, pair.estimate.training_se or 0.0)
    correlation = by_cluster.within_correlation(pair.differences, pair.clusters)
    df = min(pair.estimate.df, by_cluster.degrees_of_freedom(pair.clusters, correlation))
    lowest, highest = student(pair.estimate.mean, se, df, level)
    return max(-1.0, min(low, lowest)), min(1.0, max(high, highest))


def _comparison(
    pair: _Pair, result: _Result, p_holm: float, margin: float, level: float, alpha: float
) -> Comparison:
    wins, losses = paired.wins_and_losses(pair.differences)
    difference = pair.estimate.mean
    low, high = _agreeing(result, difference, p_holm)
    if result.p_holm is None:  # A confidence sequence holds for groups that nobody saw, too.
        low, high = _careful(pair, low, high, level)
    plain = Comparison(
        recipe=pair.first.recipe,
        reference=pair.second.recipe,
        difference=difference,
        low=low,
        high=high,
        p=result.p,
        p_holm=p_holm,
        n=len(pair.differences),
        outcome=_outcome(low, high, margin),
        examples_needed=0,
        wins=wins,
        losses=losses,
        sampling_se=pair.estimate.sampling_se,
        training_se=pair.estimate.training_se,
        method=result.method,
        groups=pair.groups,
        whole_group_se=pair.whole_group_se,
        anytime=result.p_holm is not None,
    )
    if plain.outcome != "inconclusive":
        return plain
    return dataclasses.replace(plain, examples_needed=examples_needed(plain, margin, alpha))


def _agreeing(result: _Result, difference: float, p_holm: float) -> tuple[float, float]:
    """The interval within [-1, 1]; it reaches to 0 where the exact test over all pairs does not show a
    difference, so that p-value and interval never contradict each other."""
    low, high = max(-1.0, min(result.low, difference)), min(1.0, max(result.high, difference))
    if result.p_holm is not None:  # e-Holm had its say already.
        return low, high
    return (low, high) if p_holm <= ALPHA else (min(low, 0.0), max(high, 0.0))


def _outcome(low: float, high: float, margin: float) -> Outcome:
    """A difference inside the margin does not matter, so "equivalent" comes first."""
    if equivalent(low, high, margin):
        return "equivalent"
    if low > 0.0 or high < 0.0:
        return "better" if low > 0.0 else "worse"
    return "not_worse" if not_worse(low, margin) else "inconclusive"

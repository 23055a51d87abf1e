"""Label curves: how a recipe's score grows with labels, where it overtakes, whether to buy more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.core.finite import finite_number
from harness.evidence.aggregate import (
    RecipeScores,
    gather,
    mean_intervals,
    means_covariance,
    pooled_noise,
)
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import curves, paired, seeds
from harness.evidence.stats.resampling import SEED, Floats, generator
from harness.evidence.stats.simultaneous import TOGETHER
from harness.evidence.verdict_types import Jsonable, RunScores

Worth = Literal["yes", "no", "unclear"]
Gain = tuple[float, float, float]
"""Score gained, and the ends of its 95 % interval."""
_RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class LabelPoint(Jsonable):
    """Mean score at one number of labels, with its 95 % interval."""

    labels: int
    mean: float
    low: float
    high: float
    n: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Overtaking(Jsonable):
    """How many labels a recipe needs to pass a reference; None: not within the curve."""

    recipe: str
    reference: str
    labels: float | None
    low: float | None
    high: float | None
    """95 % bootstrap interval over examples and seeds; None as `high`: it may never pass."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class LabelCurve(Jsonable):
    """One recipe over nested subsets of train."""

    recipe: str
    points: tuple[LabelPoint, ...]
    overtakes: tuple[Overtaking, ...]
    last_doubling: float | None
    """Score gained per doubling of labels between the last two points."""
    low: float | None
    high: float | None
    worth_more: Worth
    sentence: str
    next_doubling: float | None = None
    """Score that the next doubling is expected to gain, from a curve fitted to all points."""
    next_low: float | None = None
    next_high: float | None = None
    provisional: bool = False
    """Whether there is no advice because one seed per point cannot tell."""


def label_curve(
    recipe: str,
    runs: Mapping[int, Sequence[RunScores]],
    references: Mapping[str, Sequence[RunScores]],
    margin: float,
) -> LabelCurve:
    """The curve of one recipe: `runs` by number of labels, against references without a curve.

    More labels are worth buying when the next doubling is shown to gain the margin or more; they are
    not when it is shown to gain less. With one seed per point and no other measure of training noise, it is
    assumed to be as in verdicts (`stats.seeds.ASSUMED`).

    Raises:
        ValueError: no point has a scored example.
    """
    tables = {count: _one(f"{recipe} (n={count})", runs[count]) for count in sorted(runs)}
    known = {count: table for count, table in tables.items() if table is not None}
    if not known:
        raise ValueError(f"{recipe}: no point of the label curve has a scored example")
    curves = {name: _one(name, members) for name, members in references.items()}
    measured = pooled_noise(list(known.values()))
    once = measured is None and any(table.seeds == 1 for table in known.values())
    noise = seeds.ASSUMED if once else measured
    overtakes = [_overtaking(recipe, known, table, noise) for table in curves.values() if table is not None]
    gain, ahead = _last_doubling(known, noise), _next_doubling(known, noise)
    worth = _worth(ahead, margin)
    provisional = once and worth == "unclear"
    return LabelCurve(
        recipe=recipe,
        points=tuple(_point(count, table, noise) for count, table in known.items()),
        overtakes=tuple(overtakes),
        last_doubling=gain[0] if gain else None,
        low=gain[1] if gain else None,
        high=gain[2] if gain else None,
        worth_more=worth,
        sentence=_sentence(recipe, gain, ahead, worth, provisional=provisional),
        next_doubling=ahead[0] if ahead else None,
        next_low=ahead[1] if ahead else None,
        next_high=ahead[2] if ahead else None,
        provisional=provisional,
    )


def _one(name: str, runs: Sequence[RunScores]) -> RecipeScores | None:
    tables = gather([dataclasses.replace(run, recipe=name) for run in runs])
    return tables[0] if tables else None


def _point(count: int, table: RecipeScores, noise: seeds.TrainingNoise | None) -> LabelPoint:
    low, high = mean_intervals([table], noise)[0]
    mean = float(table.values.mean())
    return LabelPoint(labels=count, mean=mean, low=low, high=high, n=len(table.ids), seeds=table.seeds)


def _last_doubling(tables: Mapping[int, RecipeScores], noise: seeds.TrainingNoise | None) -> Gain | None:
    if len(tables) < 2:
        return None
    before, last = sorted(tables)[-2:]
    ids = sorted(set(tables[before].ids) & set(tables[last].ids))
    if len(ids) < 2:
        return None
    doublings = float(np.log2(last / before))
    first, second, clusters = tables[last].on(ids), tables[before].on(ids), tables[last].clusters(ids)
    gain = seeds.difference(first, second, clusters, (noise, noise))
    differences, binary = first.mean(axis=0) - second.mean(axis=0), tables[last].binary
    if paired.needs_imagination(differences, clusters, binary=binary):
        size = paired.imaginary_size(differences, clusters)
        floor = paired.with_imaginary_groups(differences, clusters, size)[1]
        gain = dataclasses.replace(gain, sampling_se=max(gain.sampling_se, floor))
    low, high = gain.interval(TOGETHER)
    return gain.mean / doublings, max(low, -1.0) / doublings, min(high, 1.0) / doublings


def _next_doubling(tables: Mapping[int, RecipeScores], noise: seeds.TrainingNoise | None) -> Gain | None:
    """Expected gain of the next doubling, with a 95 % interval over examples and seeds."""
    counts = sorted(tables)
    members = [tables[count] for count in counts]
    ids = sorted(set.intersection(*(set(table.ids) for table in members)))
    if len(counts) < 2 or len(ids) < 2:
        return None
    granted = {} if noise is None else {table.recipe: noise for table in members}
    covariance = means_covariance(members, granted)
    if covariance is None:
        return None
    means = np.array([[table.on(ids).mean() for table in members]])
    covariance = covariance + np.eye(len(members)) / len(ids) ** 2
    rng = generator(SEED + 2)
    df = by_cluster.degrees_of_freedom(members[0].clusters(ids))
    df = df if noise is None else min(df, noise.df)
    drawn = rng.multivariate_normal(np.zeros(len(members)), covariance, size=_RESAMPLES)
    drawn *= np.sqrt(df / rng.chisquare(df, size=_RESAMPLES))[:, None]
    places = np.array(counts, dtype=np.float64)
    low, high = curves.next_interval(means + drawn, places, TOGETHER)
    expected = float(curves.next_doubling(means, places)[0])
    return expected, max(min(low, expected), -1.0), min(max(high, expected), 1.0)


def _worth(ahead: Gain | None, margin: float) -> Worth:
    if ahead is None:
        return "unclear"
    _, low, high = ahead
    if high < margin:
        return "no"
    return "yes" if low >= margin and low > 0 else "unclear"


def _overtaking(
    recipe: str,
    tables: Mapping[int, RecipeScores],
    reference: RecipeScores,
    noise: seeds.TrainingNoise | None,
) -> Overtaking:
    """Where the two means cross, interpolated over the logarithm of the labels."""
    shared = set(reference.ids).intersection(*(table.ids for table in tables.values()))
    ids = sorted(shared)
    counts = np.array(sorted(tables), dtype=np.float64)
    labels, low, high = None, None, None
    if ids:
        clusters = reference.clusters(ids)
        everything = [reference, *(tables[int(count)] for count in counts)]
        drawn = _draws([table.on(ids) for table in everything], clusters)
        drawn[:, 1:] += _luck([table.seeds for table in everything[1:]], noise)
        observed = np.array([[table.on(ids).mean() for table in everything]])
        labels = finite_number(_crossings(observed, counts)[0])
        ends = np.quantile(_crossings(drawn, counts), [0.025, 0.975], method="inverted_cdf")
        low, high = finite_number(ends[0]), finite_number(ends[1])
    name = reference.recipe
    if labels is None:
        sentence = f"{recipe} does not overtake {name} with up to {counts[-1]:.0f} labels."
    elif labels <= counts[0]:
        sentence = f"{recipe} is ahead of {name} from the first point, {counts[0]:.0f} labels, on."
    else:
        since = labels if low is None else low
        until = f"{high:.0f}" if high is not None else "more than the curve has"
        sentence = f"{recipe} overtakes {name} at about {labels:.0f} labels [{since:.0f}, {until}]."
    return Overtaking(recipe=recipe, reference=name, labels=labels, low=low, high=high, sentence=sentence)


def _draws(matrices: Sequence[Floats], clusters: by_cluster.Codes) -> Floats:
    """Bootstrap means of each method, (resamples, methods): whole clusters, then seeds."""
    stacked = np.concatenate(matrices).T
    means = by_cluster.bootstrap(stacked, clusters, resamples=_RESAMPLES)
    rng, out, start = generator(SEED + 1), [], 0
    for matrix in matrices:
        count = len(matrix)
        picked = rng.integers(0, count, size=(_RESAMPLES, count)) + start
        out.append(np.take_along_axis(means, picked, axis=1).mean(axis=1))
        start += count
    return np.stack(out, axis=1)


def _luck(counts: Sequence[int], noise: seeds.TrainingNoise | None) -> Floats:
    """The training noise of points with a single seed, which resampling seeds cannot show."""
    if noise is None:
        return np.zeros((_RESAMPLES, len(counts)))
    sizes = np.where(np.array(counts) == 1, np.sqrt(noise.variance), 0.0)
    return generator(SEED + 3).standard_normal((_RESAMPLES, len(counts))) * sizes


def _crossings(means: Floats, counts: Floats) -> Floats:
    """Per row of means (reference first, then one per count): labels at the crossing, or infinity.

    The crossing is the one after which the recipe stays ahead, so that one lucky small subset does not count.
    """
    ahead = means[:, 1:] - means[:, :1]
    out = np.full(len(means), np.inf)
    for row, lead in enumerate(ahead):
        behind = np.flatnonzero(lead <= 0)
        if behind.size == 0:
            out[row] = counts[0]
        elif behind[-1] < len(counts) - 1:
            left = behind[-1]
            part = lead[left] / (lead[left] - lead[left + 1])
            out[row] = np.exp(np.log(counts[left]) + part * np.log(counts[left + 1] / counts[left]))
    return out


def _sentence(recipe: str, gain: Gain | None, ahead: Gain | None, worth: Worth, *, provisional: bool) -> str:
    if gain is None:
        return f"{recipe}: one point is not a curve."
    advice = {
        "yes": "more labels are worth buying",
        "no": "more labels are not worth buying",
        "unclear": "the test set is too small to tell whether more labels are worth buying",
    }[worth]
    if provisional:
        advice = "with one seed this may be chance: run --seeds 3 before buying labels"
    last = f"{recipe}: the last doubling of labels gained {_points(gain)}"
    return (
        f"{last}; the next is expected to gain {_points(ahead)}; {advice}." if ahead else f"{last}; {advice}."
    )


def _points(gain: Gain) -> str:
    mean, low, high = (round(100 * value, 1) + 0.0 for value in gain)
    return f"{mean:.1f} points [{low:.1f}, {high:.1f}]"

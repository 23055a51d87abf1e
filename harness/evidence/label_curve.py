"""Label curves: how a recipe's score grows with labels, where it overtakes, whether to buy more."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.evidence.aggregate import RecipeScores, gather, mean_interval
from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import seeds
from harness.evidence.stats.resampling import SEED, Floats, generator
from harness.evidence.verdict_types import Jsonable, RunScores

Worth = Literal["yes", "no", "unclear"]
_RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class LabelPoint(Jsonable):
    """Mean score with so many labels, with its 95 % interval."""

    labels: int
    mean: float
    low: float
    high: float
    n: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Overtaking(Jsonable):
    """With how many labels a recipe passes a reference; None: not within the curve."""

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


def label_curve(
    recipe: str,
    runs: Mapping[int, Sequence[RunScores]],
    references: Mapping[str, Sequence[RunScores]],
    margin: float,
) -> LabelCurve:
    """The curve of one recipe: `runs` by number of labels, against references without a curve.

    More labels are worth buying when a doubling is shown to gain something and may gain the
    margin; they are not when it is shown to gain less than the margin.

    Raises:
        ValueError: no point has a scored example.
    """
    tables = {count: _one(f"{recipe} (n={count})", runs[count]) for count in sorted(runs)}
    known = {count: table for count, table in tables.items() if table is not None}
    if not known:
        raise ValueError(f"{recipe}: no point of the label curve has a scored example")
    found = {name: _one(name, members) for name, members in references.items()}
    overtakes = [_overtaking(recipe, known, table) for table in found.values() if table is not None]
    gain = _last_doubling(known)
    worth = _worth(gain, margin)
    return LabelCurve(
        recipe=recipe,
        points=tuple(_point(count, table) for count, table in known.items()),
        overtakes=tuple(overtakes),
        last_doubling=gain[0] if gain else None,
        low=gain[1] if gain else None,
        high=gain[2] if gain else None,
        worth_more=worth,
        sentence=_sentence(recipe, gain, worth),
    )


def _one(name: str, runs: Sequence[RunScores]) -> RecipeScores | None:
    tables = gather([dataclasses.replace(run, recipe=name) for run in runs])
    return tables[0] if tables else None


def _point(count: int, table: RecipeScores) -> LabelPoint:
    low, high = mean_interval(table)
    mean = float(table.values.mean())
    return LabelPoint(labels=count, mean=mean, low=low, high=high, n=len(table.ids), seeds=table.seeds)


def _last_doubling(tables: Mapping[int, RecipeScores]) -> tuple[float, float, float] | None:
    if len(tables) < 2:
        return None
    before, last = sorted(tables)[-2:]
    ids = sorted(set(tables[before].ids) & set(tables[last].ids))
    if len(ids) < 2:
        return None
    doublings = np.log2(last / before)
    clusters = tables[last].clusters(ids)
    gain = seeds.difference(tables[last].on(ids), tables[before].on(ids), clusters)
    low, high = gain.interval()
    return gain.mean / doublings, low / doublings, high / doublings


def _worth(gain: tuple[float, float, float] | None, margin: float) -> Worth:
    if gain is None:
        return "unclear"
    _, low, high = gain
    if high < margin:
        return "no"
    return "yes" if low > 0 else "unclear"


def _overtaking(recipe: str, tables: Mapping[int, RecipeScores], reference: RecipeScores) -> Overtaking:
    """Where the two means cross, interpolated over the logarithm of the labels."""
    shared = set(reference.ids).intersection(*(table.ids for table in tables.values()))
    ids = sorted(shared)
    counts = np.array(sorted(tables), dtype=np.float64)
    labels, low, high = None, None, None
    if ids:
        clusters = reference.clusters(ids)
        everything = [reference, *(tables[int(count)] for count in counts)]
        drawn = _draws([table.on(ids) for table in everything], clusters)
        observed = np.array([[table.on(ids).mean() for table in everything]])
        labels = _finite(_crossings(observed, counts)[0])
        ends = np.quantile(_crossings(drawn, counts), [0.025, 0.975], method="inverted_cdf")
        low, high = _finite(ends[0]), _finite(ends[1])
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


def _crossings(means: Floats, counts: Floats) -> Floats:
    """Per row of means (reference first, then one per count): labels at the crossing, or infinity.

    The crossing is the one after which the recipe stays ahead, so that one lucky small subset
    is not taken for it.
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


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _sentence(recipe: str, gain: tuple[float, float, float] | None, worth: Worth) -> str:
    if gain is None:
        return f"{recipe}: one point makes no curve."
    mean, low, high = (100 * value for value in gain)
    advice = {
        "yes": "more labels are worth buying",
        "no": "more labels are not worth buying",
        "unclear": "the test set cannot tell whether more labels are worth buying",
    }[worth]
    return (
        f"{recipe}: the last doubling of labels gained {mean:.1f} points [{low:.1f}, {high:.1f}]; {advice}."
    )

"""Where a series of runs changed for good: a step in the scores of the examples that all of them answered.

Runs answer the same examples, so what makes one example harder than another cancels: each split of the
series compares, example by example, the mean after it with the mean before it. Two things make such a
difference uncertain: which examples were drawn (the spread of the paired differences), and that runs of one
recipe differ from seed to seed (the spread of the runs' means around the levels before and after). The
standard error holds both, the noise of single answers once. If runs on one side differ at all, Student's t
uses the few degrees of freedom of that spread (runs − 2). A change can only begin with a run whose scores are
not those of the run before it; the
clearest of these splits is marked if its two-sided p-value, times the number of splits (Bonferroni), is at most 5 %.
Each split estimates the spread between runs around its own two levels, so that choosing the best of them is
covered by that factor.

Sources: Page 1954 (CUSUM); Worsley 1979, "On the likelihood ratio test for a shift in location", for the
statistic; Bonett and Price 2012 for the imaginary pair.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence.stats import clusters, paired
from harness.evidence.stats.clusters import Codes
from harness.evidence.stats.resampling import Floats

ALPHA = 0.05
FEWEST_RUNS = 4


@dataclass(frozen=True, kw_only=True)
class Split:
    """The series before and from run `start` on: mean difference, standard error, degrees of freedom."""

    start: int
    before: float
    after: float
    se: float
    df: float
    rest: float
    """Sum of squares of the runs' means around the two levels."""

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def p(self) -> float:
        """Two-sided p-value of "no change here"."""
        from scipy import stats

        if self.se == 0.0:
            return 1.0 if self.change == 0.0 else 0.0
        return float(2 * stats.t.sf(abs(self.change) / self.se, self.df))


@dataclass(frozen=True, kw_only=True)
class Step:
    """A change beyond chance. `first` and `last` bound its position with 95 % confidence; `low` and `high`
    bound its size, at the level of the claim."""

    start: int
    first: int
    last: int
    before: float
    after: float
    low: float
    high: float
    p: float


def step(values: Floats, groups: Codes) -> Step | None:
    """The clearest change of the mean in `values` of shape (runs, examples), oldest run first; None if none is
    beyond chance.

    Needs four runs, two examples and two groups.
    """
    from scipy import stats

    runs, examples = values.shape
    if runs < FEWEST_RUNS or examples < 2 or clusters.count(groups) < 2:
        return None
    places = [start for start in range(1, runs) if not np.array_equal(values[start - 1], values[start])]
    splits = [_split(values, groups, start) for start in places]
    if not splits:
        return None
    best = min(splits, key=lambda split: (split.p, -abs(split.change)))
    p = min(1.0, best.p * len(splits))
    if p > ALPHA:
        return None
    half = float(stats.t.ppf(1 - ALPHA / 2 / len(splits), best.df)) * best.se
    likely = _likely(best, splits, runs)
    return Step(
        start=best.start,
        first=min(likely),
        last=max(likely),
        before=best.before,
        after=best.after,
        low=max(best.change - half, -1.0),
        high=min(best.change + half, 1.0),
        p=p,
    )


def _split(values: Floats, groups: Codes, start: int) -> Split:
    sides = values[:start], values[start:]
    differences = sides[1].mean(axis=0) - sides[0].mean(axis=0)
    means = [side.mean(axis=1) for side in sides]
    rest = float(sum(((side - side.mean()) ** 2).sum() for side in means))
    of_means = 1 / start + 1 / (len(values) - start)
    between = rest / (len(values) - 2) * of_means
    residuals = np.vstack([side - side.mean(axis=0) for side in sides])
    noise = float(clusters.mean_variance(residuals.T, groups).sum()) / (len(values) - 2) * of_means
    variance = _variance(values, differences, groups, between, noise)
    of_examples, of_runs = clusters.degrees_of_freedom(groups), len(values) - 2.0
    return Split(
        start=start,
        before=float(means[0].mean()),
        after=float(means[1].mean()),
        se=math.sqrt(variance),
        df=of_examples if between < 1e-18 else min(of_examples, of_runs),
        rest=rest,
    )


def _variance(values: Floats, differences: Floats, groups: Codes, between: float, noise: float) -> float:
    """Variance of the mean difference: runs around their level, and examples that changed by more or less.

    The spread of the paired differences holds the `noise` of single answers, which `between` holds already.
    Few differing examples do not prove that few ever differ, so an imaginary pair is added.
    """
    sampled = float(clusters.mean_variance(differences, groups)[0])
    variance = between + max(sampled - noise, 0.0)
    if paired.few(differences) or bool(np.isin(values, (0.0, 1.0)).all()):
        variance = max(variance, paired.with_imaginary_pair(differences)[1] ** 2)
    return variance


def _likely(best: Split, splits: Sequence[Split], runs: int) -> list[int]:
    """Positions that fit the runs' means about as well as the best one: an F test of their sums of squares.

    The random error of each run's mean is part of the denominator.
    """
    from scipy import stats

    by_chance = best.se**2 / (1 / best.start + 1 / (runs - best.start))
    limit = float(stats.f.ppf(1 - ALPHA, 1, runs - 2)) * by_chance
    return [split.start for split in splits if split.rest - best.rest <= limit]

"""Two methods on the same examples: intervals and p-values of the mean difference.

Everything takes `differences`: per example, the score of one method minus that of the other.
"""

from __future__ import annotations

import math

import numpy as np

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats.clusters import Codes
from harness.evidence.stats.exact_t import critical_value
from harness.evidence.stats.intervals import LEVEL, bca, student
from harness.evidence.stats.resampling import RESAMPLES, Floats, as_columns, sign_flipped_means

_EXACT = 12
"""Up to this many nonzero differences, all 2**12 sign patterns are enumerated."""

FEW = 10
"""With fewer differing examples (or groups), there is too little data to estimate a spread."""

_RARE = 20
"""With fewer random flips as extreme as the observed one, the tail is computed instead of counted."""


def sign_flip(
    differences: Floats, *, resamples: int = RESAMPLES, rng: np.random.Generator | None = None
) -> Floats:
    """Two-sided p-value of "the mean difference is 0", per column of `differences` (n,) or (n, m).

    If two methods are the same, each example's difference is as likely as its opposite, so
    the signs may be flipped (Fisher 1935). Exact where few differences are not zero, else by
    `resamples` random flips, counting the observed one (Phipson and Smyth 2010). Where hardly any of
    them is as extreme, p comes from the saddlepoint approximation of the flips' distribution
    (Robinson 1982), so that it can be as small as many comparisons need.
    """
    columns = as_columns(differences)
    observed = np.abs(columns.mean(axis=0))
    p_values = np.ones(columns.shape[1])
    counts = (columns != 0).sum(axis=0)
    for column in np.flatnonzero((counts > 0) & (counts <= _EXACT)):
        p_values[column] = _enumerated(columns[columns[:, column] != 0, column])
    many = np.flatnonzero(counts > _EXACT)
    if many.size:
        flipped = np.abs(sign_flipped_means(columns[:, many], resamples=resamples, rng=rng))
        extreme = (flipped >= observed[many] - 1e-12).sum(axis=0)
        p_values[many] = (extreme + 1) / (resamples + 1)
        for column in many[extreme < _RARE]:
            p_values[column] = _tail(columns[columns[:, column] != 0, column])
    return p_values


def _tail(differences: Floats) -> float:
    """Two-sided tail probability of the sum under random signs, far out, by saddlepoint.

    With cumulants K(t) = Σ log cosh(t d), solve K'(t) = the observed sum; then Lugannani and Rice 1980.
    """
    from scipy import optimize, stats

    sizes = np.abs(differences)
    sizes /= sizes.max()
    total = abs(float(differences.sum())) / float(np.abs(differences).max())
    least = 2.0 ** (1 - min(len(sizes), 1_000))
    if total >= sizes.sum() * (1 - 1e-9):
        return least
    bound = 1.0
    while (sizes * np.tanh(bound * sizes)).sum() < total:
        bound *= 2
    t = float(optimize.brentq(lambda x: float((sizes * np.tanh(x * sizes)).sum()) - total, 0.0, bound))
    cumulant = float(np.logaddexp(t * sizes, -t * sizes).sum()) - len(sizes) * math.log(2)
    w = math.sqrt(max(2 * (t * total - cumulant), 1e-12))
    # 1 / cosh² of a group that holds most of the sum, without the overflow of cosh.
    falling = np.exp(-2 * t * sizes)
    v = t * math.sqrt(float((sizes**2 * 4 * falling / (1 + falling) ** 2).sum()))
    if v == 0.0:
        return least
    density = math.exp(-w * w / 2) / math.sqrt(2 * math.pi)
    return min(max(2 * (float(stats.norm.sf(w)) + density * (1 / v - 1 / w)), least), 1.0)


def _enumerated(differences: Floats) -> float:
    patterns = np.arange(2 ** len(differences))[:, None] >> np.arange(len(differences)) & 1
    sums = np.abs((2 * patterns - 1) @ differences)
    return float((sums >= abs(differences.sum()) - 1e-12).mean())


def mcnemar(wins: int, losses: int) -> float:
    """Exact two-sided p-value for scores of 0 and 1; examples that both got right or wrong carry no information.

    Source: McNemar 1947; the exact binomial form.
    """
    from scipy import stats

    if wins + losses == 0:
        return 1.0
    return min(1.0, 2.0 * float(stats.binom.cdf(min(wins, losses), wins + losses, 0.5)))


def with_imaginary_pair(differences: Floats) -> tuple[float, float]:
    """Mean and standard error after one imaginary example won and one lost outright.

    For differences of 0 and 1 scores this is the adjusted Wald interval of Bonett and Price
    2012. It keeps an interval honest if few examples differ: 50 ties of 50 do not prove
    that no example ever differs.
    """
    padded = np.concatenate([differences, [1.0, -1.0]])
    return float(padded.mean()), float(padded.std()) / math.sqrt(len(padded))


def with_imaginary_groups(
    differences: Floats, clusters: Codes, size: float | None = None
) -> tuple[float, float]:
    """Mean and standard error after one imaginary group of `size` examples won and one lost outright.

    Where examples share groups, a whole group may be lost at once, and a few groups without such a loss prove
    little. Where no example shares a group it is `with_imaginary_pair`.

    Args:
        size: examples of an imaginary group; None: the average group's.
    """
    groups, n = by_cluster.count(clusters), len(differences)
    if groups < 2 and n > 1:
        return float(differences.mean()), math.inf
    totals = by_cluster.sums(np.stack([differences, np.ones(n)], axis=1), clusters)
    size = n / groups if size is None else size
    examples = n + 2 * size
    mean = float(totals[:, 0].sum()) / examples
    # Large groups pull the mean towards themselves, as in `clusters.mean_variance`.
    pull = (1 - 1 / groups) / (1 - totals[:, 1] / n) if groups > 1 else 1.0
    squares = float((pull * (totals[:, 0] - mean * totals[:, 1]) ** 2).sum())
    imagined = size**2 * ((1 - mean) ** 2 + (1 + mean) ** 2)
    return mean, math.sqrt(squares + imagined) / examples


def imaginary_size(differences: Floats, clusters: Codes) -> float:
    """Examples of the imaginary group: an average group where few groups differ and show little of how much they
    vary; otherwise half as many as tell as much as one independent one.

    That is half an example where those of a group agree no more than others do, and half a group where they are all
    alike. Half, as in Jeffreys' prior: with whole ones, intervals over twenty groups that are all alike cover 99 to
    100 % where 97 is asked. Single examples keep the whole pair of Bonett and Price.
    """
    groups = by_cluster.count(clusters)
    if groups == len(differences):
        return 1.0
    if _few_groups_differ(differences, clusters):
        return len(differences) / groups
    return by_cluster.design_effect(differences, clusters) / 2


def needs_imagination(differences: Floats, clusters: Codes, *, binary: bool) -> bool:
    """Whether the spread that was seen is not to be trusted alone: 0/1 scores, or fewer than ten examples that
    differ (or groups, or half of them)."""
    if by_cluster.count(clusters) == len(differences):
        return binary or few(differences)
    return binary or _few_groups_differ(differences, clusters)


def _few_groups_differ(differences: Floats, clusters: Codes) -> bool:
    return _differing_groups(differences, clusters) < min(FEW, by_cluster.count(clusters) / 2)


def _differing_groups(differences: Floats, clusters: Codes) -> int:
    """Groups of which an example differs."""
    return int((by_cluster.sums(np.abs(differences), clusters) > 1e-12).sum())


def few(differences: Floats) -> bool:
    """Whether fewer than ten examples differ."""
    return int((np.abs(differences) > 1e-12).sum()) < FEW


def wins_and_losses(differences: Floats) -> tuple[int, int]:
    """Examples on which the first method scored higher, and lower."""
    return int((differences > 1e-12).sum()), int((differences < -1e-12).sum())


def interval(
    differences: Floats, *, binary: bool, level: float = LEVEL, rng: np.random.Generator | None = None
) -> tuple[Floats, Floats]:
    """Interval of each column's mean difference, (m,) and (m,); `differences` is (n,) or (n, m).

    0/1 scores, and columns in which fewer than ten examples differ: Student's t around one
    imaginary win and loss. Otherwise the outer ends of the BCa bootstrap and Student's t: alone, the first
    covers too little when n is small, the second when differences are skewed
    (simulated in tests/unit/test_stats_coverage.py).
    """
    from scipy import stats

    columns = as_columns(differences)
    n, width = columns.shape
    low, high = np.empty(width), np.empty(width)
    scarce = np.array([few(column) for column in columns.T])
    padded = np.flatnonzero(scarce | binary)
    for column in padded:
        centre, se = with_imaginary_pair(columns[:, column])
        low[column], high[column] = student(centre, se, max(n - 1, 1), level)
    rest = np.flatnonzero(~(scarce | binary))
    if rest.size:
        kept = columns[:, rest]
        low[rest], high[rest] = bca(kept, level=level, rng=rng)
        half = stats.t.ppf(0.5 + level / 2, n - 1) * kept.std(axis=0, ddof=1) / math.sqrt(n)
        low[rest] = np.minimum(low[rest], kept.mean(axis=0) - half)
        high[rest] = np.maximum(high[rest], kept.mean(axis=0) + half)
    return low, high


def grouped_interval(
    differences: Floats, clusters: Codes, *, binary: bool, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the mean of `differences` (n,), examples of a group kept together; within [-1, 1].

    Student's t on the cluster-robust variance with the degrees of freedom that the groups' sizes leave,
    around one imaginary group won and one lost (`imaginary_size`) for 0/1 scores and where few groups differ. For
    0/1 scores of which ten groups or more differ, the exact distribution takes the place of Student's. One group says
    nothing of how groups differ: its interval is [-1, 1].
    """
    groups = by_cluster.count(clusters)
    if groups == len(differences) > 1:
        lows, highs = interval(differences, binary=binary, level=level)
        return float(lows[0]), float(highs[0])
    if groups < 2:
        return -1.0, 1.0
    centre = float(differences.mean())
    se = math.sqrt(float(by_cluster.mean_variance(differences, clusters)[0]))
    correlation = 0.0
    if needs_imagination(differences, clusters, binary=binary):
        imagined, wider = with_imaginary_groups(differences, clusters, imaginary_size(differences, clusters))
        centre, se = (imagined, wider) if wider > se else (centre, se)
        # Of fifty groups of many sizes, a tenth of which is lost whole, fewer than 90 % would be covered without it.
        correlation = by_cluster.within_correlation(differences, clusters)
        if _differing_groups(differences, clusters) >= FEW:
            half = critical_value(by_cluster.sizes(clusters), correlation, level) * se
            return max(-1.0, centre - half), min(1.0, centre + half)
    low, high = student(centre, se, by_cluster.degrees_of_freedom(clusters, correlation), level)
    return max(-1.0, low), min(1.0, high)

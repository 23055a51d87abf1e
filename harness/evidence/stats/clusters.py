"""Examples that share a group are not independent: variances and bootstraps by group.

Sources: Miller 2024, "Adding Error Bars to Evals"; Cameron and Miller 2015, "A Practitioner's
Guide to Cluster-Robust Inference", J. Human Resources 50; Bell and McCaffrey 2002, "Bias Reduction in
Standard Errors for Linear Regression with Multi-Stage Samples" (CR2); Imbens and Kolesár 2016, "Robust
Standard Errors in Small Samples", Rev. Econ. Stat. 98.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evidence.stats.resampling import RESAMPLES, Floats, as_columns, bootstrap_sums

Codes = NDArray[np.intp]

FEW_GROUPS = 10
"""With fewer groups, Student's t with one variance per group is a rough approximation (Cameron and Miller 2015)."""


def codes(groups: Sequence[str | None]) -> Codes:
    """A number per example, equal within a group; an example without a group is its own cluster."""
    known: dict[str, int] = {}
    out = np.empty(len(groups), dtype=np.intp)
    alone = len(groups)
    for position, group in enumerate(groups):
        out[position] = alone + position if group is None else known.setdefault(group, len(known))
    return np.unique(out, return_inverse=True)[1].astype(np.intp)


def count(clusters: Codes) -> int:
    """How many clusters there are."""
    return int(clusters.max()) + 1 if len(clusters) else 0


def sizes(clusters: Codes) -> Floats:
    """Examples in each cluster: (clusters,)."""
    return np.bincount(clusters).astype(np.float64)


def sums(values: Floats, clusters: Codes) -> Floats:
    """Sum of `values` (n,) or (n, m) per cluster: (clusters, m)."""
    columns = as_columns(values)
    out = np.zeros((count(clusters), columns.shape[1]))
    np.add.at(out, clusters, columns)
    return out


def mean_variance(values: Floats, clusters: Codes) -> Floats:
    """Cluster-robust variance of the mean of each column of `values` (n,) or (n, m): (m,).

    CR2: the residuals of a cluster are divided by √(1 - its share of the examples), because a large cluster
    pulls the mean toward itself. With clusters of one size that is the factor G / (G - 1), and with one
    example per cluster the variance is the usual s² / n.
    """
    columns = as_columns(values)
    if count(clusters) < 2:
        return np.full(columns.shape[1], np.nan)
    variance: Floats = (adjusted_residuals(columns, clusters) ** 2).sum(axis=0) / len(columns) ** 2
    return variance


def adjusted_residuals(columns: Floats, clusters: Codes) -> Floats:
    """Sum of the residuals per cluster and column, adjusted as CR2 does: (clusters, m)."""
    shares = sizes(clusters)[:, None] / len(columns)
    adjusted: Floats = sums(columns - columns.mean(axis=0), clusters) / np.sqrt(1 - shares)
    return adjusted


def degrees_of_freedom(clusters: Codes, correlation: float = 0.0) -> float:
    """Degrees of freedom of `mean_variance`: G - 1 where clusters have one size, fewer where they do not, down to 1.

    Satterthwaite's: where one cluster holds most examples, the variance is little more than one squared number.

    Args:
        correlation: of two examples of a cluster. Graded differences suppose none (Bell and McCaffrey 2002); with
            the correlation that was seen, their intervals cover 98 to 100 % where 97 is asked. 0/1 scores, of which
            groups may be lost whole, and means, which are skewed near 0 and 1, suppose what was seen
            (`within_correlation`; Imbens and Kolesár 2016). docs/verdict.md compares the methods.
    """
    size = sizes(clusters)
    if len(size) < 2:
        return 1.0
    if size.min() == size.max():
        return len(size) - 1.0
    sampled = size * (1 - correlation) + size**2 * correlation
    weight = 1 / (1 - size / size.sum())
    # The adjusted residuals have the covariance diag(a) - u v' - v u' + S u u'; the degrees are tr² / tr of its square.
    a, u, v = weight * sampled, np.sqrt(weight) * size / size.sum(), np.sqrt(weight) * sampled
    uu, uv, vv, total = u @ u, u @ v, v @ v, sampled.sum()
    trace = a.sum() - 2 * uv + total * uu
    rest = 2 * vv * uu + 2 * uv**2 - 4 * total * uu * uv + total**2 * uu**2
    of_square = a @ a + 2 * (a @ (total * u**2 - 2 * u * v)) + rest
    return max(float(trace**2 / of_square), 1.0)


def within_correlation(values: Floats, clusters: Codes) -> float:
    """Correlation of two examples of one cluster in `values` (n,), within [0, 1]."""
    residuals = values - values.mean()
    size, variance = sizes(clusters), float((residuals**2).mean())
    pairs = float((size * (size - 1)).sum())
    if variance == 0.0 or pairs == 0.0:
        return 1.0
    products = float((sums(residuals, clusters) ** 2).sum()) - float((residuals**2).sum())
    return min(max(products / pairs / variance, 0.0), 1.0)


def design_effect(values: Floats, clusters: Codes) -> float:
    """How many examples of `values` (n,) carry as much information as one independent one: between 1 and the
    size of a cluster.

    Sources: Kish 1965, "Survey Sampling"; for intervals, Korn and Graubard 1998; Dean and Pagano 2015.
    """
    most = float((sizes(clusters) ** 2).sum()) / len(values)
    alone = float(values.var()) / len(values)
    if alone == 0.0:
        return most
    return min(max(float(mean_variance(values, clusters)[0]) / alone, 1.0), most)


def effective_count(clusters: Codes) -> float:
    """How many clusters of equal size carry as much information as these, if examples of a cluster are identical."""
    size = sizes(clusters)
    return float(size.sum() ** 2 / (size**2).sum())


def bootstrap(
    values: Floats,
    clusters: Codes,
    *,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Means of `values` (n,) or (n, m) over bootstrap samples of whole clusters: (resamples, m)."""
    columns = as_columns(values)
    sizes = sums(np.ones(len(columns)), clusters)
    drawn = bootstrap_sums(np.hstack([sums(columns, clusters), sizes]), resamples=resamples, rng=rng)
    return drawn[:, :-1] / drawn[:, -1:]

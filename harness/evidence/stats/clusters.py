"""Examples that share a group are not independent: variances and bootstraps by group.

Sources: Miller 2024, "Adding Error Bars to Evals"; Cameron and Miller 2015, "A Practitioner's
Guide to Cluster-Robust Inference", J. Human Resources 50.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evidence.stats.resampling import RESAMPLES, Floats, as_columns, bootstrap_sums

Codes = NDArray[np.intp]

FEW_GROUPS = 10
"""Below so many groups, Student's t with one variance per group is a rough guess (Cameron and Miller 2015)."""


def codes(groups: Sequence[str | None]) -> Codes:
    """A number per example, equal within a group; an example without a group is its own."""
    known: dict[str, int] = {}
    out = np.empty(len(groups), dtype=np.intp)
    alone = len(groups)
    for position, group in enumerate(groups):
        out[position] = alone + position if group is None else known.setdefault(group, len(known))
    return np.unique(out, return_inverse=True)[1].astype(np.intp)


def count(clusters: Codes) -> int:
    """How many clusters there are."""
    return int(clusters.max()) + 1 if len(clusters) else 0


def sums(values: Floats, clusters: Codes) -> Floats:
    """Sum of `values` (n,) or (n, m) per cluster: (clusters, m)."""
    columns = as_columns(values)
    out = np.zeros((count(clusters), columns.shape[1]))
    np.add.at(out, clusters, columns)
    return out


def mean_variance(values: Floats, clusters: Codes) -> Floats:
    """Cluster-robust variance of the mean of each column of `values` (n,) or (n, m): (m,).

    Small-sample factor G / (G - 1). With one example per cluster it is the usual s² / n.
    """
    columns = as_columns(values)
    groups = count(clusters)
    if groups < 2:
        return np.full(columns.shape[1], np.nan)
    residuals = sums(columns - columns.mean(axis=0), clusters)
    variance: Floats = groups / (groups - 1) * (residuals**2).sum(axis=0) / len(columns) ** 2
    return variance


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

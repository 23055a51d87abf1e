"""Bootstrap means of many columns at once, by counts and one matrix product per chunk.

A resample of n rows is a vector of n counts, so the means of a chunk of resamples over all
columns are one product `counts @ columns / n`. Columns share their resamples, which is what
keeps methods with the same examples paired.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
SEED = 20_240_501
"""Fixed, so that the same data gives the same verdict."""
_CELLS = 4_000_000
"""Counts held at once: 32 MB of float64."""


def generator(seed: int = SEED) -> np.random.Generator:
    """The generator used when none is passed in."""
    return np.random.default_rng(seed)


def as_columns(values: Floats) -> Floats:
    """`values` as (n, m): a vector becomes one column."""
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def bootstrap_means(
    columns: Floats, *, resamples: int = RESAMPLES, rng: np.random.Generator | None = None
) -> Floats:
    """Means of `resamples` bootstrap samples of the rows of `columns` (n, m): (resamples, m)."""
    columns = as_columns(columns)
    return bootstrap_sums(columns, resamples=resamples, rng=rng) / len(columns)


def bootstrap_sums(
    columns: Floats, *, resamples: int = RESAMPLES, rng: np.random.Generator | None = None
) -> Floats:
    """Column sums of `resamples` bootstrap samples of the rows of `columns` (n, m): (resamples, m).

    Rows may be clusters: pass their sums and their sizes as columns, and divide.
    """
    columns = as_columns(columns)
    n = len(columns)
    if rng is None and resamples * n <= _CELLS:
        return _usual_counts(resamples, n) @ columns
    rng = generator() if rng is None else rng
    out = np.empty((resamples, columns.shape[1]))
    for start, stop in chunks(resamples, n):
        out[start:stop] = _counts(stop - start, n, rng) @ columns
    return out


def _counts(resamples: int, n: int, rng: np.random.Generator) -> Floats:
    """How often each of n rows is drawn in each resample: (resamples, n)."""
    drawn = rng.integers(0, n, size=(resamples, n), dtype=np.int32)
    drawn += (np.arange(resamples, dtype=np.int32) * n)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * n).reshape(resamples, n).astype(np.float64)


@lru_cache(maxsize=2)
def _usual_counts(resamples: int, n: int) -> Floats:
    """Counts from the fixed seed, kept: one verdict needs the same ones many times."""
    return _counts(resamples, n, generator())


def sign_flipped_means(
    columns: Floats, *, resamples: int = RESAMPLES, rng: np.random.Generator | None = None
) -> Floats:
    """Means of `columns` (n, m) with each row's sign flipped at random: (resamples, m)."""
    columns = as_columns(columns)
    n = len(columns)
    if rng is None and resamples * n <= _CELLS:
        usual: Floats = (2.0 * (_usual_flips(resamples, n) @ columns) - columns.sum(axis=0)) / n
        return usual
    rng = generator() if rng is None else rng
    out = np.empty((resamples, columns.shape[1]))
    for start, stop in chunks(resamples, n):
        out[start:stop] = _flips(stop - start, n, rng) @ columns
    means: Floats = (2.0 * out - columns.sum(axis=0)) / n
    return means


def _flips(resamples: int, n: int, rng: np.random.Generator) -> Floats:
    """1 if a sign stays and 0 if it is flipped: (resamples, n)."""
    bits = np.frombuffer(rng.bytes(resamples * ((n + 7) // 8)), dtype=np.uint8).reshape(resamples, -1)
    return np.unpackbits(bits, axis=1, count=n).astype(np.float64)


@lru_cache(maxsize=2)
def _usual_flips(resamples: int, n: int) -> Floats:
    """Flips from the fixed seed, kept like the counts."""
    return _flips(resamples, n, generator())


def chunks(resamples: int, n: int) -> list[tuple[int, int]]:
    """Ranges of resamples whose counts fit in memory together."""
    size = max(1, min(resamples, _CELLS // max(n, 1)))
    return [(start, min(start + size, resamples)) for start in range(0, resamples, size)]

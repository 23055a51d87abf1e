"""Texts that are probably near-duplicates, in time that does not depend on how repetitive they are.

MinHash (Broder 1997, "On the resemblance and containment of documents") with banding (Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3). Two texts of Jaccard similarity s share a band with probability
1 - (1 - s^ROWS)^BANDS: 99.8 % at 0.8, 27 % at 0.5, 1.4 % at 0.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.tasks.gram_hashes import Grams, Indices, blocks

BANDS, ROWS = 20, 6
PER_BAND = 4
"""Texts that one band yields at most for a text: if all texts are alike, a few show it as well as all."""
BEST = 4
"""Candidates of each text, those that share most bands with it."""

BandHashes = NDArray[np.uint32]
"""Shape (BANDS, texts)."""


def candidates(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[int, list[int]]]:
    """Each row of `right` that shares a band with a row of `left`, with at most `BEST` of these rows."""
    index, wanted = _bands(left), _bands(right)
    pairs = np.concatenate([_sharing(index[band], wanted[band]) for band in range(BANDS)])
    pairs, shared = np.unique(pairs, return_counts=True)
    rows, others = np.divmod(pairs, max(1, len(left)))
    order = np.lexsort((others, -shared, rows))
    rows, others = rows[order], others[order]
    _, starts, sizes = np.unique(rows, return_index=True, return_counts=True)
    for start, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        yield int(rows[start]), others[start : start + min(size, BEST)].tolist()


def _bands(texts: Sequence[str]) -> BandHashes:
    """A hash of each band of each text's MinHash signature."""
    numbers = np.random.default_rng(0)
    masks = numbers.integers(0, 1 << 32, BANDS * ROWS, dtype=np.uint32)
    factors = numbers.integers(0, 1 << 32, BANDS * ROWS, dtype=np.uint32) | np.uint32(1)
    bands = np.empty((BANDS, len(texts)), dtype=np.uint32)
    for block in blocks(texts):
        first, last = int(block.text[0]), int(block.text[-1])
        bands[:, first : last + 1] = _of_block(block, masks, factors)
    return bands


def _of_block(block: Grams, masks: NDArray[np.uint32], factors: NDArray[np.uint32]) -> BandHashes:
    starts = np.flatnonzero(np.diff(block.text, prepend=-1))
    gram = (block.gram >> np.uint64(32)).astype(np.uint32)
    hashed = np.empty_like(gram)
    bands = np.empty((BANDS, len(starts)), dtype=np.uint32)
    for band in range(BANDS):
        mixed = np.zeros(len(starts), dtype=np.uint64)
        for row in range(band * ROWS, (band + 1) * ROWS):
            np.bitwise_xor(gram, masks[row], out=hashed)
            np.multiply(hashed, factors[row], out=hashed)
            mixed += np.minimum.reduceat(hashed, starts)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        bands[band] = mixed >> np.uint64(32)
    return bands


def _sharing(index: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> Indices:
    """Pairs of rows with equal hashes, each as one number: row of `wanted` · rows of `index` + row of `index`."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    first = np.searchsorted(ordered, wanted, side="left")
    sizes = np.minimum(np.searchsorted(ordered, wanted, side="right") - first, PER_BAND)
    rows = np.repeat(np.arange(len(wanted)), sizes)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pairs: Indices = rows * len(index) + order[np.repeat(first, sizes) + within]
    return pairs

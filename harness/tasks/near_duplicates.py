"""Near-duplicates between two sets of texts, by Jaccard similarity of their character 8-grams.

Exact for small sets: two texts this similar must share one of their rarest grams, so only those are indexed
(prefix filtering; Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search"). If the texts are
many, or are made of so few words that even the rarest grams are in most of them, MinHash names the
candidates. Either way, candidates are compared as texts, so that every pair returned is a near-duplicate.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tasks import minhash
from harness.tasks.gram_hashes import Grams, Hashes, Indices, blocks, grams, jaccard

THRESHOLD = 0.8
EXACT_CHARACTERS = 1_000_000
"""Characters up to which every pair that shares a rare gram may be compared."""
EXACT_COMPARED = 10_000_000
"""Characters of such pairs up to which all are compared: about a second."""
GRAMS_PER_PAIR = 20
"""Rare grams that a pair shares, at most on average, before pairs are counted."""
BUCKETS = 1 << 22
"""Counters of how common grams are; grams that share one only order a little worse."""


@dataclass(frozen=True)
class Pair:
    """Two texts that are nearly the same, by key; `similarity` is their Jaccard index."""

    left: str
    right: str
    similarity: float


@dataclass(frozen=True)
class Nearest:
    """Pairs found; `exact` is false if a few with a similarity near the threshold may be missing."""

    pairs: tuple[Pair, ...]
    exact: bool


def near(left: Mapping[str, str], right: Mapping[str, str], threshold: float = THRESHOLD) -> Nearest:
    """For each text of `right`, the most similar text of `left` with at least `threshold`.

    Exact if the texts are few and share few rare grams. Otherwise MinHash finds 99.8 % of the texts of
    `right` whose most similar one has 0.8, more of those that are more similar, and only a similar one where
    many are; a threshold under `THRESHOLD` loses more.
    """
    ours, theirs = list(left.values()), list(right.values())
    pairs = _sharing_rare(ours, theirs, threshold) if _small(ours, theirs) else None
    chosen = minhash.candidates(ours, theirs) if pairs is None else pairs
    keys, names = list(left), list(right)
    nearest = []
    for row, others in chosen:
        mine = grams(theirs[row])
        similarity, negative = max((jaccard(grams(ours[i]), mine), -i) for i in others)
        if similarity >= threshold:
            nearest.append(Pair(keys[-negative], names[row], similarity))
    return Nearest(tuple(nearest), exact=pairs is not None)


def _small(*parts: Sequence[str]) -> bool:
    return sum(len(text) for part in parts for text in part) <= EXACT_CHARACTERS


def _sharing_rare(
    left: Sequence[str], right: Sequence[str], threshold: float
) -> list[tuple[int, list[int]]] | None:
    """Rows of `right`, each with the rows of `left` that share a rare gram with it; None if these are too many."""
    common = np.zeros(BUCKETS, dtype=np.int32)
    for block in (*blocks(left), *blocks(right)):
        common += np.bincount(_bucket(block.gram), minlength=BUCKETS).astype(np.int32)
    index, wanted = _rarest(left, common, threshold), _rarest(right, common, threshold)
    first = np.searchsorted(index.gram, wanted.gram, side="left")
    sizes = np.searchsorted(index.gram, wanted.gram, side="right") - first
    length = 1 + sum(len(text) for text in left) // max(1, len(left))
    if sizes.sum() * length > EXACT_COMPARED * GRAMS_PER_PAIR:
        return None
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    others = index.text[np.repeat(first, sizes) + within]
    pairs = np.unique(np.repeat(wanted.text, sizes) * len(left) + others)
    if len(pairs) * length > EXACT_COMPARED:
        return None
    rows, others = np.divmod(pairs, max(1, len(left)))
    bounds = np.flatnonzero(np.diff(rows, prepend=-1, append=-1)).tolist()
    return [(int(rows[start]), others[start:end].tolist()) for start, end in itertools.pairwise(bounds)]


def _bucket(gram: Hashes) -> Indices:
    return (gram & np.uint64(BUCKETS - 1)).astype(np.int64)


def _rarest(texts: Sequence[str], common: NDArray[np.int32], threshold: float) -> Grams:
    """Each text's rarest grams, so many that a text without any of them shares too few to reach `threshold`;
    sorted by gram.
    """
    kept_text, kept_gram = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
    for block in blocks(texts):
        text, gram = _by_rarity(block, common)
        _, starts, sizes = np.unique(text, return_index=True, return_counts=True)
        rank = np.arange(len(text)) - np.repeat(starts, sizes)
        keep = rank < np.repeat(sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, sizes)
        kept_text.append(text[keep])
        kept_gram.append(gram[keep])
    text, gram = np.concatenate(kept_text), np.concatenate(kept_gram)
    order = np.argsort(gram, kind="stable")
    return Grams(text[order], gram[order])


def _by_rarity(block: Grams, common: NDArray[np.int32]) -> tuple[Indices, Hashes]:
    """A block's distinct grams by text and, within a text, the rarest first.

    One sort of one number: the text's position, how common the gram is, and the start of its hash. If two
    grams of a text agree in all three, one of them may stay twice, which only keeps a gram more.
    """
    position = (block.text - block.text[0]).astype(np.uint64) << np.uint64(44)
    frequency = np.minimum(common[_bucket(block.gram)], (1 << 20) - 1).astype(np.uint64) << np.uint64(24)
    order = np.argsort(position | frequency | (block.gram >> np.uint64(40)))
    text, gram = block.text[order], block.gram[order]
    new = np.ones(len(text), dtype=bool)
    new[1:] = (text[1:] != text[:-1]) | (gram[1:] != gram[:-1])
    return text[new], gram[new]

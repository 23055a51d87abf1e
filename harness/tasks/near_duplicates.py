"""Near-duplicates between two sets of texts, by Jaccard similarity of their character 8-grams.

Far from quadratic: two sets this similar must share one of their rarest grams, so only those are indexed
(prefix filtering; Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search"). Grams are
64-bit hashes in numpy arrays, a block of texts at a time; pairs that share one are compared as texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 8
THRESHOLD = 0.8
MAX_CANDIDATES = 50
"""Texts that each text is compared with at most, those that share most rare grams first."""
BLOCK = 250_000
"""Characters that are worked on at once."""
BUCKETS = 1 << 22
"""Counters of how common grams are; grams that share one only order a little worse."""

Words = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pair:
    """Two texts that are nearly the same, by key; `similarity` is their Jaccard index."""

    left: str
    right: str
    similarity: float


@dataclass(frozen=True)
class _Grams:
    """Grams of several texts: `text[i]` has `gram[i]`."""

    text: Indices
    gram: Words


def near(left: Mapping[str, str], right: Mapping[str, str], threshold: float = THRESHOLD) -> list[Pair]:
    """For each text of `right`, the most similar text of `left` with at least `threshold`.

    Exact where no text has more than `MAX_CANDIDATES` that share a rare gram with it.
    """
    ours, theirs = list(left.items()), list(right.items())
    common = np.zeros(BUCKETS, dtype=np.int32)
    for block in (*_blocks([text for _, text in ours]), *_blocks([text for _, text in theirs])):
        common += np.bincount(_bucket(block.gram), minlength=BUCKETS).astype(np.int32)
    index = _rarest([text for _, text in ours], common, threshold)
    wanted = _rarest([text for _, text in theirs], common, threshold)
    pairs = []
    for row, candidates in _candidates(index, wanted):
        key, text = theirs[row]
        mine = grams(text)
        scored = [(jaccard(grams(ours[other][1]), mine), ours[other][0]) for other in candidates]
        similarity, other = max(scored, key=lambda pair: pair[0])
        if similarity >= threshold:
            pairs.append(Pair(other, key, similarity))
    return pairs


def grams(text: str) -> frozenset[str]:
    """The character 8-grams of a text; a shorter text is its own only gram."""
    return frozenset(text[i : i + LENGTH] for i in range(max(1, len(text) - LENGTH + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Size of the intersection over size of the union; neither set may be empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _blocks(texts: Sequence[str]) -> Iterator[_Grams]:
    """The grams of texts, about `BLOCK` characters at a time; a text may have one twice."""
    first, size = 0, 0
    for row, text in enumerate(texts):
        size += max(LENGTH, len(text))
        if size >= BLOCK or row == len(texts) - 1:
            yield _hashed(texts[first : row + 1], first)
            first, size = row + 1, 0


def _hashed(texts: Sequence[str], first: int) -> _Grams:
    """The grams of each text as hashes: polynomials of the characters modulo 2^64."""
    # A short text is filled up with a character that no text holds, so that it is its own only gram.
    filled = [text.ljust(LENGTH, "\U0010ffff") if len(text) < LENGTH else text for text in texts]
    codes = np.frombuffer("".join(filled).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(
        np.uint64
    )
    lengths = np.array([len(text) for text in filled], dtype=np.int64)
    ends = np.cumsum(lengths)
    hashes = np.zeros(len(codes) - LENGTH + 1, dtype=np.uint64)
    for offset in range(LENGTH):
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes += codes[offset : len(codes) - LENGTH + 1 + offset] + np.uint64(1)
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    text = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)[: len(hashes)]
    inside = np.arange(len(hashes)) + LENGTH <= ends[text]
    return _Grams(text[inside] + first, hashes[inside])


def _bucket(gram: Words) -> Indices:
    return (gram & np.uint64(BUCKETS - 1)).astype(np.int64)


def _rarest(texts: Sequence[str], common: NDArray[np.int32], threshold: float) -> _Grams:
    """Each text's rarest grams, so many that a text without any of them shares too few to reach `threshold`;
    sorted by gram.
    """
    kept_text, kept_gram = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.uint64)]
    for block in _blocks(texts):
        text, gram = _by_rarity(block, common)
        _, starts, sizes = np.unique(text, return_index=True, return_counts=True)
        rank = np.arange(len(text)) - np.repeat(starts, sizes)
        keep = rank < np.repeat(sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, sizes)
        kept_text.append(text[keep])
        kept_gram.append(gram[keep])
    text, gram = np.concatenate(kept_text), np.concatenate(kept_gram)
    order = np.argsort(gram, kind="stable")
    return _Grams(text[order], gram[order])


def _by_rarity(block: _Grams, common: NDArray[np.int32]) -> tuple[Indices, Words]:
    """A block's distinct grams by text and, within a text, the rarest first.

    One sort of one number: the text's position, how common the gram is, and the start of its hash. Where two
    grams of a text agree in all three, one of them may stay twice, which only keeps a gram more.
    """
    position = (block.text - block.text[0]).astype(np.uint64) << np.uint64(44)
    frequency = np.minimum(common[_bucket(block.gram)], (1 << 20) - 1).astype(np.uint64) << np.uint64(24)
    order = np.argsort(position | frequency | (block.gram >> np.uint64(40)))
    text, gram = block.text[order], block.gram[order]
    new = np.ones(len(text), dtype=bool)
    new[1:] = (text[1:] != text[:-1]) | (gram[1:] != gram[:-1])
    return text[new], gram[new]


def _candidates(index: _Grams, wanted: _Grams) -> Iterator[tuple[int, list[int]]]:
    """Each text of `wanted` with those of `index` that share rare grams with it, most of them first."""
    first = np.searchsorted(index.gram, wanted.gram, side="left")
    last = np.searchsorted(index.gram, wanted.gram, side="right")
    hit = last > first
    text, first, last = wanted.text[hit], first[hit], last[hit]
    order = np.argsort(text, kind="stable")
    text, first, last = text[order], first[order], last[order]
    rows, starts = np.unique(text, return_index=True)
    bounds = [*starts.tolist(), len(text)]
    for row, (start, end) in zip(rows.tolist(), itertools.pairwise(bounds), strict=True):
        spans = [index.text[first[i] : last[i]] for i in range(start, end)]
        others, shared = np.unique(np.concatenate(spans), return_counts=True)
        best = np.argsort(-shared, kind="stable")[:MAX_CANDIDATES]
        yield row, others[best].tolist()

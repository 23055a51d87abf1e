"""Near-duplicates between two sets of texts, by Jaccard similarity of their character 8-grams.

Exact, yet far from quadratic: two sets this similar must share one of their rarest grams, so only
those are indexed (prefix filtering; Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity
search").
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

LENGTH = 8
THRESHOLD = 0.8


@dataclass(frozen=True)
class Pair:
    """Two texts that are nearly the same, by key; `similarity` is their Jaccard index."""

    left: str
    right: str
    similarity: float


def near(left: Mapping[str, str], right: Mapping[str, str], threshold: float = THRESHOLD) -> list[Pair]:
    """For each text of `right`, the most similar text of `left` with at least `threshold`."""
    ours = {key: grams(text) for key, text in left.items()}
    theirs = {key: grams(text) for key, text in right.items()}
    rarity = Counter(gram for part in (ours, theirs) for found in part.values() for gram in found)
    index: dict[str, list[str]] = defaultdict(list)
    for key, found in ours.items():
        for gram in _prefix(found, rarity, threshold):
            index[gram].append(key)
    pairs = []
    for key, found in theirs.items():
        candidates = {other for gram in _prefix(found, rarity, threshold) for other in index.get(gram, ())}
        scored = [(jaccard(ours[other], found), other) for other in sorted(candidates)]
        similarity, other = max(scored, default=(0.0, ""), key=lambda pair: pair[0])
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


def _prefix(found: Iterable[str], rarity: Mapping[str, int], threshold: float) -> Sequence[str]:
    """The rarest grams, so many that a set without any of them shares too few to reach `threshold`."""
    ordered = sorted(found, key=lambda gram: (rarity[gram], gram))
    return ordered[: len(ordered) - math.ceil(threshold * len(ordered) - 1e-9) + 1]

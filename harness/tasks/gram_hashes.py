"""Character 8-grams of many texts as 64-bit hashes in numpy arrays, a block of texts at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH = 8
BLOCK = 250_000
"""Characters that are processed at once."""

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Grams:
    """Grams of several texts: `text[i]` has `gram[i]`."""

    text: Indices
    gram: Hashes


def grams(text: str) -> frozenset[str]:
    """The character 8-grams of a text; a shorter text is its own only gram."""
    return frozenset(text[i : i + LENGTH] for i in range(max(1, len(text) - LENGTH + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Size of the intersection over size of the union; neither set may be empty."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def blocks(texts: Sequence[str]) -> Iterator[Grams]:
    """The grams of texts, about `BLOCK` characters at a time, in order; a gram may occur twice in a text."""
    first, size = 0, 0
    for row, text in enumerate(texts):
        size += max(LENGTH, len(text))
        if size >= BLOCK or row == len(texts) - 1:
            yield _hashed(texts[first : row + 1], first)
            first, size = row + 1, 0


def _hashed(texts: Sequence[str], first: int) -> Grams:
    """The grams of each text as hashes: polynomials of the characters modulo 2^64."""
    # A short text is padded with a character that no text holds, so that it is its own only gram.
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
    return Grams(text[inside] + first, hashes[inside])

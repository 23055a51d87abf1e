"""rank-bm25's scores kept by word, so that a question touches only the chunks with its words.

rank-bm25 visits every chunk for every word of a question. Its scores are sums of one weight per word and
chunk; here each weight is computed once, by the same operations in the same order.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Postings:
    """The weights of a `rank_bm25.BM25Okapi`, by word; the object itself is not kept."""

    def __init__(self, okapi: Any) -> None:
        self.size: int = okapi.corpus_size
        self._words = {word: number for number, word in enumerate(okapi.idf)}
        numbers, counts = array("l"), array("l")
        for frequencies in okapi.doc_freqs:
            numbers.extend(map(self._words.__getitem__, frequencies))
            counts.extend(frequencies.values())
        by_word = np.argsort(numbers, kind="stable")
        chunk = np.repeat(np.arange(self.size), [len(frequencies) for frequencies in okapi.doc_freqs])
        self._chunks = chunk[by_word]
        chunks_per_word = np.bincount(numbers, minlength=len(self._words))
        self._ends = np.concatenate([[0], np.cumsum(chunks_per_word)])
        idf = np.repeat(np.fromiter(okapi.idf.values(), float, len(self._words)), chunks_per_word)
        length = np.array(okapi.doc_len)[self._chunks]
        count = np.array(counts)[by_word]
        norm = 1 - okapi.b + okapi.b * length / okapi.avgdl
        self._weights = idf * (count * (okapi.k1 + 1) / (count + okapi.k1 * norm))

    def scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """BM25 of every chunk; a word that appears twice in the query counts twice, shape (size,)."""
        total = np.zeros(self.size)
        for word in query:
            number = self._words.get(word)
            if number is not None:
                span = slice(self._ends[number], self._ends[number + 1])
                total[self._chunks[span]] += self._weights[span]
        return total


def best(scores: NDArray[np.float64], k: int) -> list[int]:
    """Positions of the `k` highest scores, best first; ties go to the earlier one."""
    k = min(k, len(scores))
    if k <= 0:
        return []
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero(scores >= least)
    order = np.argsort(-scores[candidates], kind="stable")
    return [int(position) for position in candidates[order][:k]]

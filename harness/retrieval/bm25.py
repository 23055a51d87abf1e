"""BM25 over chunks of the corpus, by the package rank-bm25."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.core.kinds import knob
from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage
from harness.retrieval._chunks import Chunk, chunks, words


@dataclass(frozen=True, kw_only=True)
class Bm25(Retriever):
    """Okapi BM25. `chunk_size` and `overlap` are in words."""

    paper = "Robertson & Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond"

    k1: float = knob(1.5, low=0.5, high=3.0, doc="saturation of repeated words")
    b: float = knob(0.75, low=0.0, high=1.0, doc="how much long chunks are held back")
    chunk_size: int = knob(200, choices=(50, 100, 200, 400), doc="words per chunk")
    overlap: int = knob(20, choices=(0, 20, 40), doc="words shared by neighbouring chunks")

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index(self, chunks(corpus, self.chunk_size, self.overlap))


class _Index:
    def __init__(self, settings: Bm25, pieces: Sequence[Chunk]) -> None:
        from rank_bm25 import BM25Okapi

        self._pieces = pieces
        # An empty chunk has no words; rank-bm25 divides by the corpus's mean length.
        tokens = [words(f"{piece.title} {piece.text}") or [""] for piece in pieces]
        self._bm25 = BM25Okapi(tokens, k1=settings.k1, b=settings.b)

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        """The best `k` chunks; ties go to the earlier one, so that the order never varies."""
        scores = self._bm25.get_scores(words(query))
        best = np.argsort(-scores, kind="stable")[:k]
        return tuple(
            Passage(
                document=self._pieces[i].document,
                title=self._pieces[i].title,
                text=self._pieces[i].text,
                score=float(scores[i]),
            )
            for i in best
        )

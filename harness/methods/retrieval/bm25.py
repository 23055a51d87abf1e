"""BM25 over chunks of the corpus, by the package rank-bm25, with weights that are never negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.kinds import knob
from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage
from harness.methods.retrieval._chunks import Chunk, chunks, tokenizer_identity
from harness.methods.retrieval._postings import Postings, best
from harness.methods.retrieval._words import words


@dataclass(frozen=True, kw_only=True)
class Bm25(Retriever):
    """Okapi BM25 with Lucene's idf, which is above zero for every word. `chunk_size` and `overlap` are in words, or in
    tokens of the model that `tokenizer` names; in scripts without spaces, each letter counts as a word.

    A chunk that shares no word with the question is not returned. English stop words are left out.
    """

    paper = (
        "Robertson & Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and Beyond; "
        "idf: Kamphuis et al. 2020, Which BM25 Do You Mean?"
    )
    version = 2

    k1: float = knob(1.5, low=0.5, high=3.0, doc="saturation of repeated words; 1.2 to 2 in the paper")
    b: float = knob(
        0.75, low=0.0, high=1.0, doc="how much long chunks are penalized; 0.5 to 0.8 in the paper"
    )
    chunk_size: int = knob(200, choices=(50, 100, 200, 400), doc="words per chunk")
    overlap: int = knob(20, choices=(0, 20, 40), doc="words shared by neighboring chunks")
    keep_stop_words: bool = knob(False, choices=(False, True), doc="whether words such as 'the' count")
    parts: int = knob(
        0,
        key_default=0,
        doc="length of the pieces of words that are counted as well, in letters; 0: none",
    )
    tokenizer: str = knob("", key_default="", doc="the model whose tokens measure chunks; empty: words")

    def identity(self) -> dict[str, object]:
        """The settings and, for a tokenizer in a folder, its files: the folder may later hold another."""
        return super().identity() | tokenizer_identity(self.tokenizer)

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index(self, chunks(corpus, self.chunk_size, self.overlap, self.tokenizer))


class _Index:
    def __init__(self, settings: Bm25, pieces: Sequence[Chunk]) -> None:
        self._settings = settings
        self._pieces = pieces
        self._postings = self._count() if pieces else None

    def _count(self) -> Postings:
        from harness.methods.retrieval._lucene import LuceneBm25

        # rank-bm25 divides by the number of distinct words: an empty chunk therefore holds one, the empty
        # word.
        tokens = (self._words(piece.content) or [""] for piece in self._pieces)
        return Postings(LuceneBm25(tokens, k1=self._settings.k1, b=self._settings.b))

    def _words(self, text: str) -> list[str]:
        return words(text, keep_stop_words=self._settings.keep_stop_words, parts=self._settings.parts)

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        """The best `k` chunks that share a word with the query; ties go to the earlier one, so that the order never
        varies."""
        if self._postings is None:
            return ()
        scores = self._postings.scores(self._words(query))
        return tuple(self._pieces[i].passage(float(scores[i])) for i in best(scores, k) if scores[i] > 0)

"""Two retrievers, joined by reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.core.kinds import Spec, build, knob
from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage


@dataclass(frozen=True, kw_only=True)
class Hybrid(Retriever):
    """A passage's score is the sum of 1 / (`rank_constant` + rank) over `retrievers`, ranks from 1.

    Each retriever returns its best `depth` passages. All use this kind's `chunk_size` and `overlap`: passages
    that differ could not support one another.
    """

    version = 2
    paper = "Cormack, Clarke & Buettcher 2009, Reciprocal Rank Fusion outperforms Condorcet (SIGIR)"

    retrievers: tuple[Spec, ...] = field(default=("bm25", "dense"))
    rank_constant: int = knob(
        60, choices=(10, 30, 60), doc="the higher, the less the top ranks stand out; 60 in the paper"
    )
    depth: int = knob(50, choices=(20, 50, 100), doc="passages taken from each retriever")
    chunk_size: int = knob(100, choices=(50, 100, 150), doc="words per chunk; 100 in Karpukhin et al. 2020")
    overlap: int = knob(20, choices=(0, 20, 40), doc="words shared by neighboring chunks")

    def __post_init__(self) -> None:
        """Reject an unknown retriever when the recipe is read, not when it runs."""
        self._parts()

    @property
    def oracle(self) -> bool:
        return any(part.oracle for part in self._parts())

    def config(self) -> dict[str, object]:
        return {**super().config(), "retrievers": [part.config() for part in self._parts()]}

    def identity(self) -> dict[str, object]:
        return {**super().identity(), "retrievers": [part.identity() for part in self._parts()]}

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index(self, [part.index(corpus) for part in self._parts()])

    def _parts(self) -> list[Retriever]:
        cut = {"chunk_size": self.chunk_size, "overlap": self.overlap}
        parts: list[Retriever] = [build("retrieval", spec) for spec in self.retrievers]
        return [part.replace(**cut) if cut.keys() <= vars(part).keys() else part for part in parts]


class _Index:
    def __init__(self, settings: Hybrid, parts: Sequence[Searcher]) -> None:
        self._settings = settings
        self._parts = parts

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        rankings = [part.search(query, example, max(k, self._settings.depth)) for part in self._parts]
        return fuse(rankings, self._settings.rank_constant)[:k]


def fuse(rankings: Sequence[Sequence[Passage]], constant: int) -> tuple[Passage, ...]:
    """Reciprocal rank fusion; ties go to the passage that ranks higher in an earlier ranking."""
    first: dict[tuple[str, str], Passage] = {}
    scores: dict[tuple[str, str], float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            key = (passage.document, passage.text)
            first.setdefault(key, passage)
            scores[key] = scores.get(key, 0.0) + 1 / (constant + rank)
    order = sorted(scores, key=lambda key: -scores[key])
    return tuple(
        Passage(document=p.document, title=p.title, text=p.text, score=scores[key])
        for key in order
        for p in (first[key],)
    )

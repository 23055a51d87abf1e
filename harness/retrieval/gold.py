"""The oracle: the documents that the example says hold its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage


@dataclass(frozen=True, kw_only=True)
class Gold(Retriever):
    """An upper bound for retrieval, never a method to ship: it needs the answer's document."""

    paper = "Lewis et al. 2020, Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks"

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index({document.id: document for document in corpus})


class _Index:
    def __init__(self, documents: dict[str, Document]) -> None:
        self._documents = documents

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        found = [self._documents[id] for id in example.context_ids[:k]]
        return tuple(Passage(document=d.id, title=d.title, text=d.text, score=1.0) for d in found)

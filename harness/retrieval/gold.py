"""The oracle: the documents that the example says hold its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage


@dataclass(frozen=True, kw_only=True)
class Gold(Retriever):
    """An upper bound for retrieval, never a method to ship: it needs the answer's document."""

    @property
    def oracle(self) -> bool:
        return True

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index({document.id: document for document in corpus})


class _Index:
    def __init__(self, documents: dict[str, Document]) -> None:
        self._documents = documents

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        """The first `k` gold documents, whole; none for an example that names none.

        Raises:
            ConfigError: the corpus lacks a document that the example names.
        """
        missing = [name for name in example.context_ids if name not in self._documents]
        if missing:
            raise ConfigError(
                f"example '{example.id}': the corpus has no document '{missing[0]}'",
                remedy="mend its context_ids, or add the document to the corpus",
            )
        found = [self._documents[name] for name in example.context_ids[:k]]
        return tuple(Passage(document=d.id, title=d.title, text=d.text, score=1.0) for d in found)

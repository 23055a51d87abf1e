"""Documents cut into overlapping chunks of whole words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.values import Document, Passage

_WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Chunk:
    """A piece of a document; the whole of it when it is short."""

    document: str
    title: str
    text: str

    @property
    def content(self) -> str:
        """What is searched: the title and the text."""
        return f"{self.title} {self.text}" if self.title else self.text

    def passage(self, score: float) -> Passage:
        """The chunk as it is shown to a model."""
        return Passage(document=self.document, title=self.title, text=self.text, score=score)


def chunks(corpus: Sequence[Document], size: int, overlap: int) -> list[Chunk]:
    """Chunks of at most `size` words, each sharing `overlap` words with the one before.

    Raises:
        ValueError: the overlap is not smaller than the size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be at least 0 and smaller than the chunk size {size}")
    return [
        Chunk(document.id, document.title, text)
        for document in corpus
        for text in _cut(document.text, size, overlap)
    ]


def _cut(text: str, size: int, overlap: int) -> Iterator[str]:
    spans = [match.span() for match in _WORD.finditer(text)]
    if len(spans) <= size:
        yield text.strip()
        return
    for start in range(0, len(spans) - overlap, size - overlap):
        part = spans[start : start + size]
        yield text[part[0][0] : part[-1][1]]

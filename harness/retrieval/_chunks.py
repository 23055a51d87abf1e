"""Documents cut into overlapping chunks of whole words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.values import Document

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Chunk:
    """A piece of a document; the whole of it when it is short."""

    document: str
    title: str
    text: str


def chunks(corpus: Sequence[Document], size: int, overlap: int) -> list[Chunk]:
    """Chunks of at most `size` words, each sharing `overlap` words with the one before.

    Raises:
        ValueError: the overlap is not smaller than the size.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be at least 0 and smaller than the chunk size {size}")
    return [Chunk(document.id, document.title, text) for document in corpus for text in _cut(document.text, size, overlap)]


def _cut(text: str, size: int, overlap: int) -> Iterator[str]:
    words = [match.span() for match in re.finditer(r"\S+", text)]
    if len(words) <= size:
        yield text.strip()
        return
    for start in range(0, len(words) - overlap, size - overlap):
        part = words[start : start + size]
        yield text[part[0][0] : part[-1][1]]


def words(text: str) -> list[str]:
    """Lower-cased words: what BM25 counts."""
    return _WORD.findall(text.lower())

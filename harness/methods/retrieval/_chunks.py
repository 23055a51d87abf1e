"""Documents cut into overlapping chunks, at sentence ends where possible."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import regex

from harness.core.characters import UNSPACED
from harness.core.values import Document, Passage

LONGEST_WORD = 40
"""Characters of the longest run without spaces that counts as one word: an address or a key counts as several."""
_WORD = regex.compile(rf"(?V1){UNSPACED}\p{{M}}*+|[[\S]--{UNSPACED}]{{1,{LONGEST_WORD}}}+")
_ASCII_WORD = regex.compile(rf"\S{{1,{LONGEST_WORD}}}+")
_SENTENCE_END = regex.compile(r"[.!?…]['\")\]]*(?=\s)|[。！？؟।]|\n[ \t]*\n")
_LEAST = 2 / 3
"""The share of a chunk that must be full before it may end with a sentence."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a document, or all of a short one."""

    document: str
    title: str
    text: str

    @property
    def content(self) -> str:
        """The text that is searched: title and text."""
        return f"{self.title} {self.text}" if self.title else self.text

    def passage(self, score: float) -> Passage:
        """The chunk in the form shown to a model."""
        return Passage(document=self.document, title=self.title, text=self.text, score=score)


def chunks(corpus: Sequence[Document], size: int, overlap: int, tokenizer: str = "") -> list[Chunk]:
    """Chunks of at most `size` words, each sharing `overlap` words with the one before.

    In scripts without spaces, each letter counts as a word. A chunk ends with a sentence if one ends in its
    last third.

    Args:
        corpus: the documents.
        size: words in a chunk.
        overlap: words shared by neighboring chunks.
        tokenizer: the model whose tokens are counted instead; if empty, words are counted.

    Raises:
        ValueError: the overlap is not smaller than the size.
        ConfigError: the tokenizer's model does not exist, or its tokenizer does not report token positions.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap} must be at least 0 and smaller than the chunk size {size}")
    spans = _token_spans(tokenizer) if tokenizer else _word_spans
    return [
        Chunk(document.id, document.title, text)
        for document in corpus
        for text in _cut(document.text, spans(document.text), size, overlap)
    ]


def tokenizer_identity(spec: str) -> dict[str, str]:
    """The part of a retriever's key that identifies the files of a tokenizer in a folder or GGUF file; empty
    for others."""
    if not spec or not (spec.startswith("gguf:") or Path(spec).expanduser().is_dir()):
        return {}
    from harness.models.fingerprint import fingerprint

    return {"tokenizer_files": fingerprint(spec)}


def _word_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in (_ASCII_WORD if text.isascii() else _WORD).finditer(text)]


def _token_spans(spec: str) -> Callable[[str], list[tuple[int, int]]]:
    from harness.core.errors import ConfigError
    from harness.models.chat import load_chat

    tokenizer = load_chat(spec).tokenizer
    if not tokenizer.is_fast:
        raise ConfigError(
            f"the tokenizer of '{spec}' does not report token positions",
            remedy="leave 'tokenizer' out to count words",
        )

    def spans(text: str) -> list[tuple[int, int]]:
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [(start, end) for start, end in encoded["offset_mapping"] if end > start]

    return spans


def _cut(text: str, spans: Sequence[tuple[int, int]], size: int, overlap: int) -> Iterator[str]:
    if len(spans) <= size:
        yield text.strip()
        return
    starts = [start for start, _ in spans]
    ends = [bisect_left(starts, match.end()) for match in _SENTENCE_END.finditer(text)]
    first = 0
    while True:
        last = min(first + size, len(spans))
        if last < len(spans):
            earliest = first + max(overlap + 1, int(_LEAST * size))
            end = bisect_left(ends, last + 1) - 1
            last = ends[end] if end >= 0 and ends[end] >= earliest else last
        yield text[spans[first][0] : spans[last - 1][1]].strip()
        if last == len(spans):
            return
        first = last - overlap

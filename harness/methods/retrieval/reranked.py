"""Another retriever's passages, reordered by a cross-encoder (an optional extra: sentence-transformers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.kinds import Spec, build, knob
from harness.core.protocols import Retriever, Searcher
from harness.core.secrets import beginning
from harness.core.values import Document, Example, Passage
from harness.methods.retrieval._postings import best
from harness.models.cache import quiet
from harness.models.digests import folder_digest

MODEL = "cross-encoder/ms-marco-MiniLM-L6-v2"


@dataclass(frozen=True, kw_only=True)
class Reranked(Retriever):
    """The best `depth` passages of `retriever`, scored with the question by `model`, a cross-encoder: a hub id, or a
    folder for use without a network."""

    paper = "Nogueira & Cho 2019, Passage Re-ranking with BERT"

    retriever: Spec = field(default="bm25")
    model: str = MODEL
    depth: int = knob(20, choices=(10, 20, 50), doc="passages that are scored; 1000 in the paper")

    def __post_init__(self) -> None:
        """Reject an unknown retriever when the recipe is read, not when it runs."""
        self._first()

    @property
    def oracle(self) -> bool:
        return self._first().oracle

    def config(self) -> dict[str, object]:
        return {**super().config(), "retriever": self._first().config()}

    def identity(self) -> dict[str, object]:
        """The settings and, for a cross-encoder in a folder, its files: the folder may later hold another."""
        folder = Path(self.model)
        files = {"files": folder_digest(folder)} if folder.is_dir() else {}
        return {**super().identity(), "retriever": self._first().identity(), **files}

    def index(self, corpus: Sequence[Document]) -> Searcher:
        return _Index(self.depth, self._first().index(corpus), _encoder(self.model))

    def _first(self) -> Retriever:
        retriever: Retriever = build("retrieval", self.retriever)
        return retriever


class _Index:
    def __init__(self, depth: int, first: Searcher, encoder: Any) -> None:
        self._depth, self._first, self._encoder = depth, first, encoder

    def search(self, query: str, example: Example, k: int) -> tuple[Passage, ...]:
        """The `k` passages with the highest score; ties go to the first retriever's order."""
        passages = self._first.search(query, example, max(k, self._depth))
        if not passages:
            return ()
        texts = [f"{passage.title} {passage.text}".strip() for passage in passages]
        pairs = [(query, text) for text in texts]
        scores = self._encoder.predict(pairs, convert_to_numpy=True, show_progress_bar=False).astype(float)
        return tuple(changed(passages[i], score=float(scores[i])) for i in best(scores, k))


def _encoder(name: str) -> Any:
    try:
        from sentence_transformers import CrossEncoder
    except ImportError:
        raise ConfigError(
            "reranking needs sentence-transformers",
            remedy="pip install 'finetune-or-prompt-harness[dense]', or use bm25",
        ) from None
    try:
        with quiet():
            return CrossEncoder(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = beginning((str(error).splitlines() or [""])[0], 200)
        raise ConfigError(
            f"cannot load the cross-encoder '{name}': {reason}",
            remedy="is there a network? a folder works without one: retriever: {kind: reranked, model: FOLDER}",
        ) from None

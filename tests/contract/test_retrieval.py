"""What every retriever must do, whatever it ranks by."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from harness.core.kinds import build, names
from harness.core.protocols import Searcher
from harness.core.values import Document, Example

CORPUS = [
    Document(id="tea", title="Tea", text="Green tea is brewed at eighty degrees for two minutes."),
    Document(id="rye", title="Rye bread", text="The dough of rye bread rests overnight in a cold cellar."),
    Document(id="ink", title="", text="Iron gall ink darkens on paper as it meets the air."),
    Document(id="owl", title="Owls", text="An owl turns its head because its eyes cannot move."),
]
ASKED = Example(id="q", input={}, target="", context_ids=("rye", "owl"))


class Encoder:
    """Stands in for sentence-transformers: a hashed bag of words, as unit vectors."""

    def __init__(self, name: str, trust_remote_code: bool) -> None:
        assert not trust_remote_code

    def encode_query(self, texts: list[str], **options: bool) -> np.ndarray:
        rows = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[sum(map(ord, word)) % 64] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    encode_document = encode_query


class CrossEncoder(Encoder):
    """Scores a pair by the words that both have."""

    def predict(self, pairs: list[tuple[str, str]], **options: bool) -> np.ndarray:
        return np.array(
            [len(set(a.lower().split()) & set(b.lower().split())) for a, b in pairs], dtype=np.float32
        )


@pytest.fixture(params=names("retrieval"))
def searcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Searcher:
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Encoder  # type: ignore[attr-defined]
    module.CrossEncoder = CrossEncoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    index: Searcher = build("retrieval", request.param).index(CORPUS)
    return index


def test_passages_are_whole_words_of_their_documents(searcher: Searcher) -> None:
    texts = {document.id: document.text for document in CORPUS}
    passages = searcher.search("where does the dough of rye bread rest", ASKED, 3)
    assert passages
    for passage in passages:
        assert passage.text in texts[passage.document]


def test_the_best_passage_comes_first(searcher: Searcher) -> None:
    passages = searcher.search("where does the dough of rye bread rest", ASKED, 3)
    assert passages[0].document == "rye"
    scores = [passage.score for passage in passages]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("k", [1, 2, 50])
def test_never_more_than_k(searcher: Searcher, k: int) -> None:
    passages = searcher.search("eyes of an owl", ASKED, k)
    assert 1 <= len(passages) <= k
    assert len({(passage.document, passage.text) for passage in passages}) == len(passages)


def test_the_same_question_finds_the_same(searcher: Searcher) -> None:
    assert searcher.search("ink on paper", ASKED, 4) == searcher.search("ink on paper", ASKED, 4)


@pytest.mark.parametrize("name", names("retrieval"))
def test_identity_is_json_and_builds_the_same_again(name: str) -> None:
    kind = build("retrieval", name)
    assert build("retrieval", kind.config()).identity() == kind.identity()

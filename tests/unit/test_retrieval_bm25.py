"""BM25 against rank-bm25 itself, and the ways that a corpus can be odd."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from harness.core.kinds import build
from harness.core.values import Document, Example
from harness.methods.retrieval._chunks import chunks
from harness.methods.retrieval._postings import Postings, best
from harness.methods.retrieval._words import STOP_WORDS, words

NOBODY = Example(id="q", input={}, target="")
texts = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), min_size=1, max_size=25)


@settings(deadline=None, max_examples=200)
@given(
    corpus=texts,
    query=st.lists(st.sampled_from("abcdefghz"), max_size=6),
    k1=st.floats(0.5, 3),
    b=st.floats(0, 1),
)
def test_scores_equal_rank_bm25_to_the_last_bit(
    corpus: list[list[str]], query: list[str], k1: float, b: float
) -> None:
    reference = BM25Okapi(corpus, k1=k1, b=b)
    assert Postings(reference).scores(query).tolist() == reference.get_scores(query).tolist()


@settings(deadline=None)
@given(scores=st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=30), k=st.integers(0, 40))
def test_best_is_a_stable_sort(scores: list[float], k: int) -> None:
    wanted = sorted(range(len(scores)), key=lambda i: -scores[i])[:k]
    assert best(np.array(scores), k) == wanted


def test_a_search_ranks_as_rank_bm25_does() -> None:
    rng = np.random.default_rng(0)
    vocabulary = [f"word{i}" for i in range(300)]
    weights = 1 / np.arange(1, 301)
    corpus = [
        Document(id=str(i), text=" ".join(rng.choice(vocabulary, size=60, p=weights / weights.sum())))
        for i in range(400)
    ]
    index = build("retrieval", "bm25").index(corpus)
    reference = BM25Okapi([document.text.split() for document in corpus])
    for _ in range(20):
        query = list(rng.choice(vocabulary, size=5))
        scores = reference.get_scores(query)
        found = index.search(" ".join(query), NOBODY, 10)
        assert [passage.score for passage in found] == sorted(scores, reverse=True)[:10]
        assert [scores[int(passage.document)] for passage in found] == [passage.score for passage in found]


def test_rankings_agree_with_bm25s_where_no_word_is_common() -> None:
    """Another implementation; it clips the weights of very common words otherwise, so there are none."""
    import bm25s

    rng = np.random.default_rng(1)
    vocabulary = [f"word{i}" for i in range(500)]
    tokens = [list(rng.choice(vocabulary, size=40)) for _ in range(300)]
    corpus = [Document(id=str(i), text=" ".join(row)) for i, row in enumerate(tokens)]
    other = bm25s.BM25(method="robertson", k1=1.5, b=0.75)
    other.index(tokens, show_progress=False)
    index = build("retrieval", "bm25").index(corpus)
    for _ in range(20):
        query = list(rng.choice(vocabulary, size=4, replace=False))
        scores = other.get_scores([str(word) for word in query])
        found = [int(passage.document) for passage in index.search(" ".join(query), NOBODY, 5)]
        np.testing.assert_allclose(scores[found], np.sort(scores)[::-1][:5], rtol=1e-5)


def test_empty_documents_and_questions_do_no_harm() -> None:
    corpus = [Document(id="a", text=""), Document(id="b", text="  "), Document(id="c", text="red rose")]
    index = build("retrieval", "bm25").index(corpus)
    assert [passage.document for passage in index.search("rose", NOBODY, 1)] == ["c"]
    assert [passage.document for passage in index.search("", NOBODY, 2)] == ["a", "b"]
    assert build("retrieval", "bm25").index([]).search("rose", NOBODY, 3) == ()


def test_stop_words_do_not_decide_unless_asked_to() -> None:
    corpus = [
        Document(id="chatter", text="what is the where is the how is the"),
        Document(id="fact", text="a walrus has long tusks"),
        Document(id="other", text="copper conducts heat"),
    ]
    question = "what is the length of the tusks of the walrus"
    plain = build("retrieval", "bm25").index(corpus)
    literal = build("retrieval", {"kind": "bm25", "keep_stop_words": True}).index(corpus)
    assert plain.search(question, NOBODY, 1)[0].document == "fact"
    assert literal.search(question, NOBODY, 1)[0].document == "chatter"


def test_words() -> None:
    assert words("Straße, e-mail & 3.5 kg!") == ["straße", "e", "mail", "3", "5", "kg"]
    assert words("東京 tower") == ["東", "京", "tower"]
    assert words("Who is the owl?", keep_stop_words=False) == ["owl"]
    assert words("Who is it", keep_stop_words=False) == ["who", "is", "it"]
    assert all(words(word) == [word] for word in STOP_WORDS)


@settings(deadline=None)
@given(count=st.integers(0, 60), size=st.integers(1, 20), overlap=st.integers(0, 19))
def test_chunks_cover_the_document_and_overlap(count: int, size: int, overlap: int) -> None:
    if overlap >= size:
        with pytest.raises(ValueError, match="overlap"):
            chunks([], size, overlap)
        return
    text = "  ".join(f"w{i}" for i in range(count))
    pieces = [piece.text.split() for piece in chunks([Document(id="d", text=text)], size, overlap)]
    assert all(len(piece) <= size for piece in pieces)
    whole = pieces[0]
    for before, piece in itertools.pairwise(pieces):
        assert before[len(before) - overlap :] == piece[:overlap]
        assert len(piece) > overlap
        whole = whole + piece[overlap:]
    assert whole == text.split()

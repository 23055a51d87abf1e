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


def test_a_search_ranks_as_bm25s_does_with_lucenes_weights() -> None:
    """Another implementation of the same variant, which leaves out the constant factor k1 + 1."""
    import bm25s

    rng = np.random.default_rng(1)
    vocabulary = [f"word{i}" for i in range(300)]
    weights = 1 / np.arange(1, 301)
    tokens = [list(rng.choice(vocabulary, size=60, p=weights / weights.sum())) for _ in range(400)]
    corpus = [Document(id=str(i), text=" ".join(row)) for i, row in enumerate(tokens)]
    other = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    other.index(tokens, show_progress=False)
    index = build("retrieval", "bm25").index(corpus)
    for _ in range(20):
        query = list(rng.choice(vocabulary, size=4, replace=False))
        scores = other.get_scores([str(word) for word in query]) * 2.5
        hits = index.search(" ".join(query), NOBODY, 5)
        np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1][:5], rtol=1e-5)
        np.testing.assert_allclose(
            scores[[int(hit.document) for hit in hits]], np.sort(scores)[::-1][:5], rtol=1e-5
        )


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_word_in_half_of_a_small_corpus_still_ranks(size: int) -> None:
    corpus = [Document(id="red", text="the red rose")] + [
        Document(id=f"other{i}", text="a blue lake") for i in range(size)
    ]
    index = build("retrieval", "bm25").index(corpus)
    (hit,) = index.search("which rose is red", NOBODY, 3)
    assert hit.document == "red"
    assert hit.score > 0
    everywhere = build("retrieval", "bm25").index(
        [Document(id="a", text="red"), Document(id="b", text="red red")]
    )
    assert [hit.document for hit in everywhere.search("red", NOBODY, 2)] == ["b", "a"]


def test_empty_documents_and_questions_do_no_harm() -> None:
    corpus = [Document(id="a", text=""), Document(id="b", text="  "), Document(id="c", text="red rose")]
    index = build("retrieval", "bm25").index(corpus)
    assert [passage.document for passage in index.search("rose", NOBODY, 1)] == ["c"]
    assert index.search("", NOBODY, 2) == ()
    assert index.search("what is a walrus", NOBODY, 2) == (), "no passage without evidence"
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
    assert words("Straße, e-mail & 3.5 kg!") == ["strasse", "e", "mail", "3", "5", "kg"]
    assert words("東京都 tower") == ["東京", "京都", "tower"]
    assert words("京") == ["京"]
    assert words("الكِتاب وأحمد") == words("كتاب واحمد")
    assert words("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert words("Cafe\u0301 ＡＢＣ") == ["café", "abc"]
    assert words("Dampfschiff", parts=6) == [
        "dampfschiff",
        "dampfs",
        "ampfsc",
        "mpfsch",
        "pfschi",
        "fschif",
        "schiff",
    ]
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


def test_chunks_hold_their_size_in_every_script() -> None:
    chinese = Document(id="zh", text="北京是中国的首都，有很多人。" * 400)
    pieces = chunks([chinese], 200, 20)
    assert len(pieces) > 20
    assert all(len(words(piece.text)) <= 200 for piece in pieces)
    assert all(piece.text.endswith("。") for piece in pieces), "a chunk ends with a sentence"
    key = Document(id="key", text="x" * 5000)
    assert max(len(piece.text) for piece in chunks([key], 50, 0)) == 2000


def test_chunks_end_with_sentences_where_they_can() -> None:
    text = " ".join(f"Sentence number {i} ends here." for i in range(40))
    pieces = chunks([Document(id="d", text=text)], 23, 3)
    assert all(piece.text.endswith("here.") for piece in pieces)
    assert all(len(piece.text.split()) <= 23 for piece in pieces)


def test_chunks_are_measured_in_the_models_tokens_where_one_is_named() -> None:
    from harness.models.chat import load_chat

    text = "北京是中国的首都。 The capital of China is Beijing. " * 20
    pieces = chunks([Document(id="d", text=text)], 30, 5, "tiny")
    tokenizer = load_chat("tiny").tokenizer
    assert len(pieces) > 5
    assert all(len(tokenizer(piece.text, add_special_tokens=False)["input_ids"]) <= 32 for piece in pieces)


@pytest.mark.parametrize(
    ("documents", "question", "best"),
    [
        (["水在一百度沸腾。", "铜是很好的导体。", "北京是中国的首都。"], "中国的首都是哪里？", 2),
        (["น้ำเดือดที่ร้อยองศา", "ทองแดงนำความร้อน", "กรุงเทพเป็นเมืองหลวง"], "เมืองหลวงคืออะไร", 2),
        (["يغلي الماء عند مئة درجة", "النحاس يوصل الحرارة", "القاهرة عاصمة مصر"], "ما هي العاصمة؟", 2),
        (["Вода кипит при ста градусах", "Медь проводит тепло", "МОСКВА столица России"], "москва", 2),
        (["पानी सौ डिग्री पर उबलता है", "ताँबा गर्मी का चालक है", "दिल्ली भारत की राजधानी है"], "राजधानी", 2),
    ],
)
def test_every_script_finds_its_passage(documents: list[str], question: str, best: int) -> None:
    corpus = [Document(id=str(i), text=text) for i, text in enumerate(documents)]
    hits = build("retrieval", "bm25").index(corpus).search(question, NOBODY, 1)
    assert [hit.document for hit in hits] == [str(best)]


def test_compounds_match_their_parts_by_option() -> None:
    corpus = [
        Document(id="ship", text="Das Donaudampfschiff"),
        Document(id="lake", text="Der See liegt still"),
    ]
    assert build("retrieval", "bm25").index(corpus).search("Dampfschiff", NOBODY, 1) == ()
    hits = build("retrieval", {"kind": "bm25", "parts": 4}).index(corpus).search("Dampfschiff", NOBODY, 1)
    assert [hit.document for hit in hits] == ["ship"]

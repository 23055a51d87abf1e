"""Fusion by hand, gold context, embeddings against plain transformers, and recall."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Document, Example, Passage
from harness.evidence.ranking import ndcg_at_k, recall_at_k, reciprocal_rank
from harness.methods.retrieval.hybrid import fuse

CORPUS = [Document(id=name, text=f"text of {name}") for name in ("a", "b", "c")]


def passage(name: str, score: float = 1.0) -> Passage:
    return Passage(document=name, text=name, score=score)


def test_reciprocal_rank_fusion_by_hand() -> None:
    """a: 1/61 + 1/63, b: 1/62 + 1/61, c: 1/63, d: 1/62."""
    first = [passage("a"), passage("b"), passage("c")]
    second = [passage("b"), passage("d"), passage("a")]
    fused = fuse([first, second], 60)
    assert [p.document for p in fused] == ["b", "a", "d", "c"]
    expected = [1 / 62 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62, 1 / 63]
    assert [p.score for p in fused] == pytest.approx(expected, abs=1e-15)


def test_fusion_breaks_ties_by_the_first_ranking() -> None:
    assert [p.document for p in fuse([[passage("x")], [passage("a")]], 60)] == ["x", "a"]


def test_all_parts_of_a_hybrid_cut_the_corpus_alike() -> None:
    long = Document(id="d", text=" ".join(f"w{i}" for i in range(250)))
    hybrid = build("retrieval", {"kind": "hybrid", "retrievers": ["bm25", {"kind": "bm25", "b": 0.1}]})
    passages = hybrid.index([long]).search("w3", Example(id="q", input={}, target=""), 10)
    assert {len(p.text.split()) for p in passages} <= {100, 90}
    assert all(p.score > 1 / 61 for p in passages), "every passage is supported by both"


def test_an_unknown_part_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dense'"):
        build("retrieval", {"kind": "hybrid", "retrievers": ["bm25", "dens"]})


def test_gold_gives_the_documents_that_the_example_names() -> None:
    index = build("retrieval", "gold").index(CORPUS)
    example = Example(id="q", input={}, target="", context_ids=("c", "a"))
    assert [p.document for p in index.search("anything", example, 3)] == ["c", "a"]
    assert [p.document for p in index.search("anything", example, 1)] == ["c"]
    assert index.search("anything", Example(id="q", input={}, target=""), 3) == ()


def test_gold_says_which_document_is_missing() -> None:
    index = build("retrieval", "gold").index(CORPUS)
    with pytest.raises(ConfigError, match=r"example 'q7'.*'nowhere'"):
        index.search("", Example(id="q7", input={}, target="", context_ids=("nowhere",)), 3)


def test_only_gold_is_an_oracle() -> None:
    assert build("retrieval", "gold").oracle
    assert not build("retrieval", "bm25").oracle
    assert not build("retrieval", {"kind": "hybrid", "retrievers": ["bm25", "bm25"]}).oracle
    assert build("retrieval", {"kind": "hybrid", "retrievers": ["bm25", "gold"]}).oracle, "it holds one"


def test_dense_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'finetune-or-prompt-harness\[dense\]'"):
        build("retrieval", "dense").index(CORPUS)


def test_dense_asks_the_encoder_for_questions_and_passages_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder saved with prompts puts another one before a question than before a passage."""
    import types

    records: list[tuple[str, str]] = []

    class Encoder:
        def __init__(self, name: str, trust_remote_code: bool) -> None: ...

        def encode_query(self, texts: list[str], **options: bool) -> np.ndarray:
            records.extend(("query", text) for text in texts)
            return np.ones((len(texts), 2), dtype=np.float32)

        def encode_document(self, texts: list[str], **options: bool) -> np.ndarray:
            records.extend(("document", text) for text in texts)
            return np.ones((len(texts), 2), dtype=np.float32)

    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = Encoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    index = build("retrieval", {"kind": "dense", "model": "any"}).index(CORPUS[:1])
    index.search("why", Example(id="q", input={}, target=""), 1)
    assert records == [("document", "text of a"), ("query", "why")]


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_dense_scores_equal_mean_pooled_transformers() -> None:
    """The default model is a mean over token vectors, scaled to length one: done here by hand."""
    pytest.importorskip("sentence_transformers")
    import torch
    from transformers import AutoModel, AutoTokenizer

    from harness.methods.retrieval.dense import BUNDLED, _folder

    texts = ["Owls hunt at night.", "Bread needs yeast and time.", "Ink fades in sunlight."]
    question = "Which bird is awake in the dark?"
    tokenizer = AutoTokenizer.from_pretrained(_folder(BUNDLED))
    batch = tokenizer([*texts, question], padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(_folder(BUNDLED))(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    vectors = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
    corpus = [Document(id=str(i), text=text) for i, text in enumerate(texts)]
    result = (
        build("retrieval", "dense").index(corpus).search(question, Example(id="q", input={}, target=""), 3)
    )
    expected = vectors[:3] @ vectors[3]
    assert [int(p.document) for p in result] == list(np.argsort(-expected))
    assert [p.score for p in result] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    assert result[0].document == "0"


def test_recall_counts_each_gold_document_once() -> None:
    assert recall_at_k(["a", "a", "x"], ["a", "b"]) == 0.5
    assert recall_at_k([], ["a"]) == 0.0
    assert recall_at_k(["b", "a"], ["a"]) == 1.0


def test_a_cross_encoder_orders_anothers_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    class CrossEncoder:
        def __init__(self, name: str, trust_remote_code: bool) -> None: ...

        def predict(self, pairs: list[tuple[str, str]], **options: bool) -> np.ndarray:
            return np.array([float(text.endswith("c")) for _, text in pairs], dtype=np.float32)

    module = types.ModuleType("sentence_transformers")
    module.CrossEncoder = CrossEncoder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    index = build("retrieval", {"kind": "reranked", "model": "any"}).index(CORPUS)
    hits = index.search("text", Example(id="q", input={}, target=""), 2)
    assert [hit.document for hit in hits] == ["c", "a"]
    assert index.search("nothing", Example(id="q", input={}, target=""), 2) == ()
    assert build("retrieval", {"kind": "reranked", "retriever": "gold"}).oracle


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_reranked_scores_are_those_of_the_cross_encoder_itself(tmp_path: object) -> None:
    """A random cross-encoder of the size of a test, against plain transformers."""
    pytest.importorskip("sentence_transformers")
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from harness.models.source import resolve

    folder = str(tmp_path)
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_pretrained(resolve("tiny:bert"), num_labels=1).eval()
    tokenizer = AutoTokenizer.from_pretrained(resolve("tiny:bert"))
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    index = build("retrieval", {"kind": "reranked", "model": folder}).index(CORPUS)
    hits = index.search("text of b", Example(id="q", input={}, target=""), 3)
    with torch.inference_mode():
        batch = tokenizer(["text of b"] * 3, [hit.text for hit in hits], padding=True, return_tensors="pt")
        expected = torch.sigmoid(network(**batch).logits[:, 0]).tolist()
    assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-4)
    assert expected == sorted(expected, reverse=True)
    assert recall_at_k(["a", "a", "x"], [["a"], ["b"]]) == 0.5
    assert recall_at_k([], [["a"]]) == 0.0
    assert recall_at_k(["b", "a"], [["a"]]) == 1.0


def test_ndcg_and_mrr_are_those_of_scikit_learn_and_of_a_worked_example() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(0)
    for _ in range(50):
        names = [f"d{n}" for n in range(12)]
        gold = rng.sample(names, rng.randint(1, 4))
        ranked = rng.sample(names, len(names))
        k = rng.randint(1, len(names))
        relevant = [[float(name in gold) for name in ranked]]
        falling = [[float(len(ranked) - index) for index in range(len(ranked))]]
        want = metrics.ndcg_score(relevant, falling, k=k)
        assert ndcg_at_k(ranked[:k], [[name] for name in gold]) == pytest.approx(want)
        rank = metrics.label_ranking_average_precision_score([[float(n == gold[0]) for n in ranked]], falling)
        assert reciprocal_rank(ranked, [[gold[0]]]) == pytest.approx(rank)
    # Two of three gold at ranks 2 and 4: (1 / log2 3 + 1 / log2 5) / (1 + 1 / log2 3 + 1 / log2 4)
    result = ["x", "a", "y", "b"]
    assert ndcg_at_k(result, [["a"], ["b"], ["c"]]) == pytest.approx((0.63093 + 0.43068) / 2.13093, abs=1e-4)
    assert reciprocal_rank(result, [["a"], ["b"], ["c"]]) == 0.5


def test_an_identical_twin_of_a_gold_document_is_found_once() -> None:
    gold = [["a", "twin"], ["b"]]
    assert recall_at_k(["twin", "a", "x"], gold) == 0.5
    assert ndcg_at_k(["twin", "b"], gold) == 1.0
    assert reciprocal_rank(["x", "twin"], gold) == 0.5

"""Passages before the question, within their budget, from the retriever that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Document
from tests.contract.test_programs import example, task

CORPUS = (
    Document(id="d0", title="Walrus", text="A walrus has two long tusks and lives on sea ice."),
    Document(id="d1", text="Copper conducts heat better than iron does."),
    Document(id="d2", text="The tusks of an elephant are teeth as well."),
)


def rag(**settings: Any) -> Any:
    return build("programs", {"kind": "rag", **settings})


def ask(settings: dict[str, Any], question: str) -> Any:
    return rag(**settings).prepare(task(corpus=CORPUS), (), 0)(example("x", question=question))


def test_the_passages_shown_are_the_passages_recorded() -> None:
    prompt = ask({"k": 2}, "how long are the tusks of a walrus")
    assert [p.document for p in prompt.passages] == ["d0", "d2"]
    assert prompt.messages[-1].content == (
        "Walrus: A walrus has two long tusks and lives on sea ice.\n\n"
        "The tusks of an elephant are teeth as well.\n\n"
        "Q: how long are the tusks of a walrus"
    )


@pytest.mark.parametrize("room", [0, 5, 30, 57, 58, 70, 1000])
def test_the_budget_is_kept_at_a_word(room: int) -> None:
    prompt = ask({"k": 3, "max_chars": room}, "tusks of a walrus")
    shown = prompt.messages[-1].content.removesuffix("Q: tusks of a walrus")
    assert len(shown.replace("\n\n", "")) <= room
    texts = {document.id: document.text for document in CORPUS}
    for passage in prompt.passages:
        rest = texts[passage.document].removeprefix(passage.text)
        assert rest == "" or rest.startswith(" ")


def test_a_budget_cuts_a_script_without_spaces_at_a_letter() -> None:
    corpus = (Document(id="d0", text="北京是中国的首都。"), Document(id="d1", text="水在一百度沸腾。"))
    prompt = rag(k=1, max_chars=4).prepare(task(corpus=corpus), (), 0)(example("x", question="首都"))
    assert [p.text for p in prompt.passages] == ["北京是中"]


def test_nothing_retrieved_shows_the_question_alone_and_is_recorded_as_a_search() -> None:
    prompt = ask({"k": 2}, "volcano")
    assert (prompt.passages, prompt.searched) == ((), True)
    assert prompt.messages[-1].content == "Q: volcano"


def test_gold_shows_the_examples_own_documents() -> None:
    prompt = ask({"retriever": "gold"}, "tusks")
    assert [p.document for p in prompt.passages] == ["d1"]
    assert rag(retriever="gold").oracle
    assert not rag().oracle


def test_an_unknown_retriever_is_refused_as_the_recipe_is_read() -> None:
    with pytest.raises(ConfigError, match="unknown retrieval 'bm52'.*did you mean 'bm25'"):
        rag(retriever="bm52")


def test_a_task_without_corpus_is_refused() -> None:
    with pytest.raises(ConfigError, match="no corpus"):
        rag().prepare(task(corpus=()), (), 0)


def test_the_retrievers_settings_are_part_of_the_identity() -> None:
    first = rag().identity()
    second = rag(retriever={"kind": "bm25", "k1": 1.2}).identity()
    assert first != second
    assert first == rag(retriever={"kind": "bm25", "k1": 1.5}).identity()


def test_passages_stand_behind_the_question_where_the_recipe_says_so() -> None:
    first, last = (
        ask({"k": 2, **more}, "how long are the tusks of a walrus") for more in ({}, {"passages": "last"})
    )
    question = "Q: how long are the tusks of a walrus"
    shown = first.messages[-1].content.removesuffix(f"\n\n{question}")
    assert last.messages[-1].content == f"{question}\n\n{shown}"
    assert last.passages == first.passages
    assert "passages" not in rag().identity(), "finished runs keep their keys"
    assert rag(passages="last").identity()["passages"] == "last"


def test_a_shared_order_depends_on_train_and_not_on_the_question() -> None:
    pool = [example(f"t{i}", question="tusks of an elephant") for i in range(3)]
    ordered = rag(k=2, order="shared").prepare(task(corpus=CORPUS), pool, 0)
    walrus, elephant = (
        ordered(example("x", question=text))
        for text in ("how long are the tusks of a walrus", "elephant tusks")
    )
    assert [p.document for p in walrus.passages] == ["d0", "d2"], "records keep the rank"
    assert [p.document for p in elephant.passages] == ["d2", "d0"]
    beginning = "Walrus: A walrus has two long tusks and lives on sea ice.\n\nThe tusks of an elephant"
    assert all(prompt.messages[-1].content.startswith(beginning) for prompt in (walrus, elephant))


def test_passages_that_train_asks_for_most_come_first_in_a_shared_order() -> None:
    pool = [
        example("t0", question="copper"),
        example("t1", question="copper heat"),
        example("t2", question="walrus"),
    ]
    prompt = rag(k=2, order="shared").prepare(task(corpus=CORPUS), pool, 0)(
        example("x", question="does a walrus like copper")
    )
    assert prompt.messages[-1].content.startswith("Copper conducts")


def test_the_ranked_order_leaves_keys_as_they_were() -> None:
    assert "order" not in rag().identity()
    assert rag(order="shared").identity() != rag().identity()

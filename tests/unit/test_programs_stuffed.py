"""The whole corpus before every question."""

from __future__ import annotations

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.values import Document
from tests.contract.test_programs import example, task

CORPUS = (Document(id="a", title="Tea", text="Tea is green."), Document(id="b", text="Ink is black."))


def test_all_documents_stand_before_the_question_and_are_shared() -> None:
    ask = build("programs", "stuffed").prepare(task(corpus=CORPUS), (), 0)
    first, second = ask(example("x", question="tea")), ask(example("y", question="ink"))
    corpus = "Tea: Tea is green.\n\nInk is black.\n\n"
    assert first.messages[-1].content == f"{corpus}Q: tea"
    assert second.messages[-1].content == f"{corpus}Q: ink"
    assert first.messages[:-1] == second.messages[:-1]
    assert [passage.document for passage in first.passages] == ["a", "b"]


def test_documents_without_room_are_dropped_from_the_end_and_counted() -> None:
    ask = build("programs", "stuffed").prepare(task(corpus=CORPUS), (), 0)
    prompt = ask(example("x"), dropped=1)
    assert ([p.document for p in prompt.passages], prompt.passages_dropped) == (["a"], 1)
    assert "Ink" not in prompt.messages[-1].content


def test_a_corpus_that_is_none_or_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match="no corpus"):
        build("programs", "stuffed").prepare(task(corpus=()), (), 0)
    with pytest.raises(ConfigError, match="26 characters, at most 20"):
        build("programs", {"kind": "stuffed", "max_chars": 20}).prepare(task(corpus=CORPUS), (), 0)

"""Public data sets raw, as a stranger has them: `init`, the command that it prints, a report; skipped where
`../shared/data` is absent.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.e2e.strangers_kit import QUICK, harness, walk

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here"),
    pytest.mark.usefixtures("stranger"),
]


def test_banking77() -> None:
    done = walk(str(DATA / "banking77"))
    with (DATA / "banking77" / "test.csv").open(newline="", encoding="utf-8") as stream:
        pairs = {(row["text"].strip(), row["category"]) for row in csv.DictReader(stream)}
    assert {(asked.question.strip(), asked.target) for asked in done.asked["zero_shot"]} <= pairs
    labels = json.loads((DATA / "banking77" / "categories.json").read_text("utf-8"))
    assert {line.removeprefix("- ") for line in done.first.instructions.splitlines()[1:]} == set(labels)


def test_snips_with_its_one_emoji_of_two_surrogates_is_read() -> None:
    done = walk(str(DATA / "snips"))
    assert set(done.first.target) == {"intent", "slots"}
    assert '"intent": "AddToPlaylist" | "BookRestaurant" | "GetWeather"' in done.first.instructions
    assert all(value in done.first.question for value in _texts(done.first.target["slots"]))


def _texts(slots: dict[str, str | list[str]]) -> list[str]:
    """The words of the request that fill slots."""
    return [text for value in slots.values() for text in ([value] if isinstance(value, str) else value)]


def test_xquad_is_retrieved_from_its_own_paragraphs() -> None:
    quick = ("--limit", "3", "--recipes", "zero_shot,few_shot,bm25_rag")
    done = walk(str(DATA / "xquad_en"), quick=quick)
    raw = json.loads((DATA / "xquad_en" / "xquad.en.json").read_text("utf-8"))
    passages = {
        question["question"].strip(): paragraph["context"].strip()
        for article in raw["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    for asked, retrieved in zip(done.asked["zero_shot"], done.asked["bm25_rag"], strict=True):
        assert asked.question in passages
        assert asked.question in retrieved.question
        assert len(retrieved.question) > len(asked.question)


def test_pubmedqa_names_the_column_that_gives_the_answer_away() -> None:
    assert "ori_pqal.json" in harness("init", str(DATA / "pubmedqa"), code=2)
    done = walk(str(DATA / "pubmedqa" / "ori_pqal.json"), "--name", "whole")
    assert "look at: input 'LONG_ANSWER' is named like an answer" in done.printed
    assert "LONG_ANSWER: " in done.first.question
    chosen = ("--input", "QUESTION", "--input", "CONTEXTS")
    done = walk(str(DATA / "pubmedqa" / "ori_pqal.json"), "--name", "mended", *chosen)
    assert done.first.question.startswith("QUESTION: ")
    assert "LONG_ANSWER" not in done.first.question
    assert [line for line in done.first.instructions.splitlines() if line.startswith("- ")] == [
        "- maybe",
        "- no",
        "- yes",
    ]


def test_preferences() -> None:
    assert "name one of them" in harness("init", str(DATA / "rasbt_preference"), code=2)
    file = DATA / "rasbt_preference" / "instruction-data-with-preference.json"
    done = walk(str(file), "--name", "polite", quick=QUICK)
    raw = {row["chosen"].strip(): row for row in json.loads(file.read_text("utf-8"))}
    row = raw[done.first.target]
    asked = [row["instruction"].strip(), row["input"].strip()]
    assert done.first.question == "\n\n".join(filter(None, asked))
    assert row["rejected"].strip() not in done.first.question

"""Questions with accepted or preferred answers as strangers have them, and what the model was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.strangers_kit import walk, write_csv, write_jsonl

N = 20
Row = dict[str, Any]

pytestmark = pytest.mark.usefixtures("stranger")


def message(role: str, content: str) -> Row:
    return {"role": role, "content": content}


def good(i: int) -> str:
    return f"Dear guest {i}, your room is ready."


def bad(i: int) -> str:
    return f"Guest {i}: wait."


PREFERENCES: dict[str, Callable[[int], Row]] = {
    "texts": lambda i: {"prompt": f"Greet {i}", "chosen": f" {good(i)}", "rejected": f"{bad(i)}\n"},
    "texts that repeat the prompt": lambda i: {
        "prompt": f"Greet {i}",
        "chosen": f"Greet {i} {good(i)}",
        "rejected": f"Greet {i} {bad(i)}",
    },
    "conversations": lambda i: {
        "chosen": [message("user", f"Greet {i}"), message("assistant", good(i))],
        "rejected": [message("user", f"Greet {i}"), message("assistant", bad(i))],
    },
    "prompt and conversations": lambda i: {
        "prompt": f"Greet {i}",
        "chosen": [message("user", f"Greet {i}"), message("assistant", good(i))],
        "rejected": [message("user", f"Greet {i}"), message("assistant", bad(i))],
    },
    "messages beside them": lambda i: {
        "messages": [message("user", f"Greet {i}"), message("assistant", good(i))],
        "chosen": good(i),
        "rejected": bad(i),
    },
}


@pytest.mark.parametrize("kind", PREFERENCES)
def test_preferences(kind: str) -> None:
    write_jsonl("choices.jsonl", [PREFERENCES[kind](i) for i in range(N)])
    done = walk("choices.jsonl")
    number = int(done.first.question.removeprefix("Greet "))
    assert [role for role, _ in done.first.messages if role != "system"] == ["user"]
    assert done.first.target == good(number)
    assert {(row["target"], row["meta"]["rejected"]) for row in done.rows()} == {
        (good(i), bad(i)) for i in range(N)
    }


def test_unpaired_feedback() -> None:
    rows = [
        {"prompt": f"Greet {i}", "completion": answer(i), "label": answer is good}
        for i in range(N)
        for answer in (good, bad)
    ]
    write_jsonl("thumbs.jsonl", rows)
    done = walk("thumbs.jsonl")
    number = int(done.first.question.removeprefix("Greet "))
    assert done.first.target == good(number)
    assert {row["meta"]["rejected"] for row in done.rows()} == {bad(i) for i in range(N)}


def squad() -> dict[str, Any]:
    """Ten articles of one passage and three questions, of which the last has no answer."""

    def passage(i: int) -> Row:
        context = f"The river Lud {i} rises at Hill {i} and joins the Tay {i}."
        questions = [
            ("Where does it rise", [f"Hill {i}", f"at Hill {i}"]),
            ("What does it join", [f"Tay {i}"]),
        ]
        asked = [
            {
                "id": f"{i}-{number}",
                "question": f"{text}, river {i}?",
                "answers": [{"text": answer, "answer_start": context.index(answer)} for answer in answers],
            }
            for number, (text, answers) in enumerate(questions)
        ]
        none = {"id": f"{i}-9", "question": f"Who bridged river {i}?", "answers": [], "is_impossible": True}
        return {"title": f"Lud_{i}", "paragraphs": [{"context": context, "qas": [*asked, none]}]}

    return {"version": "v2.0", "data": [passage(i) for i in range(10)]}


def test_squad_with_the_default_recipes() -> None:
    """Nested passages become the corpus, so that retrieval is asked, too."""
    Path("rivers.json").write_text(json.dumps(squad()), "utf-8")
    done = walk("rivers.json", quick=("--limit", "6"))
    assert set(done.asked) == {"zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full"}
    assert "Where there is no answer, say: no answer" in done.first.instructions
    assert "The river" not in done.first.question
    number = done.first.question.rpartition(" ")[2].removesuffix("?")
    (retrieved,) = (a for a in done.asked["bm25_rag"] if done.first.question in a.question)
    assert f"The river Lud {number} rises at Hill {number} and joins the Tay {number}." in retrieved.question
    targets = [row["target"] for row in done.rows()]
    assert targets.count("no answer") == 10
    assert sum(isinstance(target, list) for target in targets) == 10
    assert all(row["group"] == row["context_ids"][0] for row in done.rows())


def test_accepted_answers() -> None:
    rows = [
        {"question": f"What is river {i} called?", "answers": [f"Lud {i}", f"River Lud {i}"]}
        for i in range(N)
    ]
    write_jsonl("rivers.jsonl", rows)
    done = walk("rivers.jsonl")
    number = done.first.question.split()[3]
    assert done.first.target == [f"Lud {number}", f"River Lud {number}"]
    shots = done.asked["few_shot"][0].messages
    assert {text.split()[0] for role, text in shots if role == "assistant"} == {"Lud"}


def test_targets_inside_objects() -> None:
    rows = [
        {"body": {"q": f"What is river {i} called?"}, "reply": {"texts": [f"Lud {i}"]}, "by": "me"}
        for i in range(N)
    ]
    write_jsonl("nested.jsonl", rows)
    done = walk("nested.jsonl", "--input", "body.q", "--target", "reply.texts.0")
    number = done.first.question.split()[3]
    assert done.first.question == f"What is river {number} called?"
    assert done.first.target == f"Lud {number}"


def test_a_corpus_with_the_default_recipes() -> None:
    """A manual in files and a column that names the page: retrieval reads it, and its recall is known."""
    Path("manual").mkdir()
    for i in range(N):
        Path(f"manual/page{i}.md").write_text(f"# Device {i}\n\nThe fuse of device {i} has {i} amperes.\n")
    rows = [
        {
            "question": f"Which fuse has device {i}?",
            "answer": f"{i} amperes",
            "page": f"page{i}",
            "house": f"h{i % 7}",
        }
        for i in range(N)
    ]
    write_csv("fuses.csv", rows)
    options = ("--corpus", "manual", "--context-ids", "page", "--group", "house")
    done = walk("fuses.csv", *options, quick=("--limit", "4"))
    assert set(done.asked) == {"zero_shot", "few_shot", "bm25_rag", "lora", "qlora", "full"}
    number = done.first.target.split()[0]
    assert done.first.question == f"Which fuse has device {number}?"
    assert f"The fuse of device {number} has" in done.asked["bm25_rag"][0].question
    assert (done.task / "corpus" / "page3.md").is_file()

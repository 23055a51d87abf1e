"""Questions with a folder of texts beside them: the printed command compares retrieval, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.strangers_kit import walk, write_jsonl

pytestmark = pytest.mark.usefixtures("stranger")


def test_documents_beside_the_questions_are_retrieved_from() -> None:
    Path("corpus").mkdir()
    for i in range(5):
        Path(f"corpus/page{i}.md").write_text(f"# Room {i}\nRoom {i} is on floor {i}.\n", encoding="utf-8")
    rows = [
        {
            "question": f"Where is room {i % 5}, guest {i}?",
            "answer": f"floor {i % 5}",
            "document": f"page{i % 5}.md",
        }
        for i in range(30)
    ]
    rows[7]["answer"] = ""
    write_jsonl("rooms.jsonl", rows)
    done = walk("rooms.jsonl", quick=("--limit", "3", "--recipes", "zero_shot,bm25_rag"))
    assert "corpus: corpus/ (5 documents): 'document' names one in every row" in done.printed
    assert "left out: 1 row of the data without input or target (line 8)" in done.printed
    for asked, retrieved in zip(done.asked["zero_shot"], done.asked["bm25_rag"], strict=True):
        room = asked.question.split()[3].rstrip(",")
        assert asked.question.startswith("Where is room ")
        assert f"Room {room} is on floor {room}." in retrieved.question
        assert retrieved.question.endswith(asked.question)
    assert {tuple(row["context_ids"]) for row in done.rows()} == {(f"page{i}",) for i in range(5)}

"""Documents beside a data file: `init` finds the column that names them, so that retrieval is compared, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.core.protocols import Task
from harness.tasks import checks, corpus_beside
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

N, DOCUMENTS = 40, 5
Row = dict[str, Any]


def questions(column: str, name: Callable[[int], Any]) -> list[Row]:
    return [{"question": f"q{i}", "answer": f"the answer {i}", column: name(i % DOCUMENTS)} for i in range(N)]


def texts(folder: Path, suffix: str = ".md") -> None:
    folder.mkdir(parents=True)
    for i in range(DOCUMENTS):
        (folder / f"page{i}{suffix}").write_text(f"# Page {i}\nabout {i}", encoding="utf-8")


def jsonl(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def made(data: Path, **wish: Any) -> tuple[Made, Task]:
    result = init(str(data), data.parent / "tasks", Wish(**wish))
    return result, load(result.folder)


def check_gold(task: Task, document: Callable[[int], str]) -> None:
    """Every example names the document of its question, and no other column is asked."""
    assert {document.id for document in task.corpus} == {document(i) for i in range(DOCUMENTS)}
    for example in (e for part in task.splits.values() for e in part):
        assert example.context_ids == (document(int(example.input["input"][1:]) % DOCUMENTS),)
    assert not [problem for problem in checks.problems(task) if problem.check == "context_ids"]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("document", lambda i: f"page{i}.md"),
        ("doc_id", lambda i: f"page{i}"),
        ("source", lambda i: f"corpus/page{i}.md"),
        ("files", lambda i: [f"./page{i}.md"]),
        ("Seite", lambda i: f"corpus\\page{i}.md"),
    ],
)
def test_a_folder_of_texts_that_a_column_names_becomes_the_corpus(
    tmp_path: Path, column: str, name: Callable[[int], Any]
) -> None:
    texts(tmp_path / "corpus")
    result, task = made(jsonl(tmp_path / "faq.jsonl", questions(column, name)))
    check_gold(task, lambda i: f"page{i}")
    assert any(
        line.startswith(f"corpus: corpus/ (5 documents): '{column}' names one") for line in result.guesses
    )
    assert {c.name: c.reason for c in result.columns}[column] == "names the documents of corpus/"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_of_questions_find_their_texts(tmp_path: Path, kind: str) -> None:
    import pyarrow
    from pyarrow import csv, parquet

    texts(tmp_path / "pages", ".txt")
    table = pyarrow.Table.from_pylist(questions("doc_id", lambda i: f"page{i}.txt"))
    data = tmp_path / f"faq.{kind}"
    (csv.write_csv if kind == "csv" else parquet.write_table)(table, data)
    check_gold(made(data)[1], lambda i: f"page{i}")


@pytest.mark.parametrize(("id_", "text"), [("id", "text"), ("_id", "text"), ("doc_id", "passage")])
def test_a_table_of_documents_becomes_the_corpus(tmp_path: Path, id_: str, text: str) -> None:
    jsonl(tmp_path / "corpus.jsonl", [{id_: f"d{i}", "title": "T", text: f"t{i}"} for i in range(DOCUMENTS)])
    task = made(jsonl(tmp_path / "faq.jsonl", questions("source", lambda i: f"d{i}")))[1]
    check_gold(task, lambda i: f"d{i}")
    assert task.corpus[0].text == "t0"


def test_a_folder_of_splits_may_hold_the_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = questions("source", lambda i: f"d{i}")
    jsonl(folder / "corpus.jsonl", [{"id": f"d{i}", "text": f"t{i}"} for i in range(DOCUMENTS)])
    jsonl(folder / "train.jsonl", rows[:25])
    jsonl(folder / "test.jsonl", rows[25:])
    result, task = made(folder)
    check_gold(task, lambda i: f"d{i}")
    assert not [line for line in result.guesses if line.startswith("not read")]


def test_rows_of_a_known_layout_find_their_texts(tmp_path: Path) -> None:
    texts(tmp_path / "corpus")
    rows = [
        {"instruction": row["question"], "input": "", "output": row["answer"], "page": row["page"]}
        for row in questions("page", lambda i: f"page{i}")
    ]
    check_gold(made(jsonl(tmp_path / "faq.jsonl", rows))[1], lambda i: f"page{i}")


def test_a_corpus_alone_finds_the_column_and_a_column_alone_the_corpus(tmp_path: Path) -> None:
    texts(tmp_path / "manuals")
    data = jsonl(tmp_path / "faq.jsonl", questions("page", lambda i: f"page{i}.md"))
    check_gold(made(data, corpus=tmp_path / "manuals", name="a")[1], lambda i: f"page{i}")
    check_gold(made(data, context_ids="page", name="b")[1], lambda i: f"page{i}")


def test_where_some_documents_are_missing_init_says_what_to_type_and_that_works(tmp_path: Path) -> None:
    texts(tmp_path / "corpus")
    name = {0: "lost.md"}
    data = jsonl(tmp_path / "faq.jsonl", questions("page", lambda i: name.get(i, f"page{i}.md")))
    result, task = made(data)
    assert not task.corpus
    (hint,) = [line for line in result.guesses if line.startswith("corpus: ")]
    assert hint.startswith("corpus: 'page' names a document of corpus/ in 32 of 40 rows; ")
    assert hint.endswith(f"--corpus {tmp_path / 'corpus'} --context-ids page")
    result, task = made(data, corpus=tmp_path / "corpus", context_ids="page", name="b")
    assert len(task.corpus) == DOCUMENTS
    assert not [problem for problem in checks.problems(task) if problem.check == "context_ids"]
    assert (
        "context_ids: 8 rows name documents that corpus/ lacks (lines 1, 6, 11, 16, 21, …)" in result.guesses
    )


def test_a_corpus_that_no_column_names_is_pointed_out(tmp_path: Path) -> None:
    texts(tmp_path / "corpus")
    result, task = made(jsonl(tmp_path / "faq.jsonl", questions("page", lambda _: "page")))
    assert not task.corpus
    assert any("corpus/ lies beside the data and is not read" in line for line in result.guesses)


def test_ordinary_columns_name_no_documents(tmp_path: Path) -> None:
    """A label, the row's own id and a folder without texts are no match."""
    texts(tmp_path / "notes", ".pdf")
    (tmp_path / "refund").mkdir()
    (tmp_path / "refund" / "1.txt").write_text("x", encoding="utf-8")
    rows = [{"id": i, "text": f"t{i}", "label": ["refund", "delivery"][i % 2]} for i in range(N)]
    result, task = made(jsonl(tmp_path / "tickets.jsonl", rows))
    assert not task.corpus
    assert not [line for line in result.guesses if line.startswith("corpus")]


def test_few_files_are_looked_at_in_a_folder_of_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_beside, "FEW_FILES", 3)
    texts(tmp_path / "downloads")
    assert not made(jsonl(tmp_path / "faq.jsonl", questions("page", lambda i: f"page{i}")))[1].corpus


@pytest.mark.parametrize("labels", [("spam", "ham"), ("notes",)], ids=["texts by label", "numbered texts"])
def test_stars_do_not_name_the_numbered_texts_that_lie_about(tmp_path: Path, labels: tuple[str, ...]) -> None:
    for label in labels:
        (tmp_path / "inbox" / label).mkdir(parents=True)
        for i in range(1, 6):
            (tmp_path / "inbox" / label / f"{i}.txt").write_text(f"{label} {i}", encoding="utf-8")
    rows = [{"review": f"it is number {i}", "stars": i % 5 + 1} for i in range(N)]
    _, task = made(jsonl(tmp_path / "reviews.jsonl", rows), target="stars")
    assert task.corpus == ()
    rows = [{"question": f"q{i}", "answer": f"a{i % 7}", "stars": i % 5 + 1} for i in range(N)]
    _, task = made(jsonl(tmp_path / "questions.jsonl", rows))
    assert task.corpus == ()
    assert "stars" in task.splits["test"][0].input

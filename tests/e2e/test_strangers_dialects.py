"""Files that are nearly what their name says: `init` reads them, or says in one line what to change."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.e2e.strangers_kit import harness, next_command, walk, write_jsonl

N = 30
pytestmark = pytest.mark.usefixtures("stranger")
LABELS = random.Random(3).choices(["refund", "delivery"], k=N)
ROWS = [{"text": f"message {i}", "label": label} for i, label in enumerate(LABELS)]
CSV = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS)


def lines(rows: list[dict[str, str]], **options: int) -> str:
    return "".join(json.dumps(row, **options) + "\n" for row in rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("array.jsonl", json.dumps(ROWS)),
        ("array_of_lines.jsonl", json.dumps(ROWS, indent=1)),
        ("lines.json", lines(ROWS)),
        ("pretty.jsonl", lines(ROWS, indent=2)),
        ("excel.csv", "sep=;\n" + CSV.replace(",", ";")),
        ("excel_comma.csv", "sep=,\n" + CSV),
        ("excel_crlf.csv", ("sep=;\n" + CSV.replace(",", ";")).replace("\n", "\r\n")),
    ],
)
def test_rows_under_a_name_or_a_first_line_of_another_kind(name: str, content: str) -> None:
    Path(name).write_text(content, "utf-8", newline="")
    printed = harness("init", name)
    (task,) = Path("tasks").glob("*/task.yaml")
    texts = [file.read_text("utf-8") for file in task.parent.glob("*.jsonl")]
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    assert sorted(row["input"] for row in rows) == sorted(row["text"] for row in ROWS)
    assert {row["target"] for row in rows} == {"refund", "delivery"}
    assert "which has 1 lines" not in printed
    assert "2–2" not in printed
    assert next_command(printed)[0] == "run"


def test_an_array_in_a_jsonl_file_to_a_report() -> None:
    Path("array.jsonl").write_text(json.dumps(ROWS), "utf-8")
    assert walk("array.jsonl").first.question.startswith("message ")


def test_a_broken_line_is_still_named() -> None:
    Path("cut.jsonl").write_text(lines(ROWS)[:-6], "utf-8")
    assert f"cut.jsonl:{N}: broken JSON" in " ".join(harness("init", "cut.jsonl", code=2).split())
    Path("cut.json").write_text(json.dumps(ROWS)[:-3], "utf-8")
    assert "cut.json:1: broken JSON" in harness("init", "cut.json", code=2)


@pytest.mark.parametrize("first", ["# exported by a tool", "Tickets of 2024"])
def test_a_title_above_the_names(first: str) -> None:
    Path("titled.csv").write_text(f"{first}\n{CSV}", "utf-8")
    printed = harness("init", "titled.csv", code=2)
    assert "is line 1 a title or a comment? delete it" in printed


def test_a_title_above_the_names_of_a_sheet() -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for cells in (["Tickets of 2024"], [], ["text", "label"], *([row["text"], row["label"]] for row in ROWS)):
        book.active.append(cells)
    book.save("titled.xlsx")
    assert "is 'Tickets of 2024' a title? delete that row" in harness("init", "titled.xlsx", code=2)


@pytest.mark.parametrize("column", ["split", "Data set", "fold"])
def test_a_column_that_names_the_splits_is_kept_to(column: str) -> None:
    names = ["train"] * 18 + ["validation"] * 4 + ["Test"] * 8
    rows = [{**row, column: names[i]} for i, row in enumerate(ROWS)]
    write_jsonl("divided.jsonl", rows)
    done = walk("divided.jsonl")
    assert f"splits: as column '{column}' names them: 18 train, 4 dev, 8 test" in done.printed
    test = [json.loads(line) for line in (done.task / "test.jsonl").read_text("utf-8").splitlines()]
    assert sorted(row["input"] for row in test) == sorted(row["text"] for row in ROWS[22:])
    assert "Test" not in done.first.question


def test_a_split_that_the_column_does_not_name_is_cut_from_train() -> None:
    write_jsonl("two.jsonl", [{**row, "split": "train" if i < 22 else "test"} for i, row in enumerate(ROWS)])
    printed = harness("init", "two.jsonl")
    assert "splits: as column 'split' names them: 22 train, 8 test; dev cut from train" in printed


def test_a_json_file_with_a_list_for_each_split() -> None:
    Path("divided.json").write_text(json.dumps({"train": ROWS[:20], "test": ROWS[20:]}), "utf-8")
    done = walk("divided.json")
    assert len((done.task / "test.jsonl").read_text("utf-8").splitlines()) == 10
    Path("other.json").write_text(json.dumps({"train": ROWS[:20], "prices": ROWS[20:]}), "utf-8")
    assert "write each into a file of its own" in harness("init", "other.json", code=2)


def test_a_column_called_split_that_names_no_split_is_an_input() -> None:
    rows = [{**row, "split": ["even", "odd"][i % 2]} for i, row in enumerate(ROWS)]
    write_jsonl("bill.jsonl", rows)
    assert "split: " in walk("bill.jsonl").first.question


@pytest.mark.parametrize(
    "values",
    [
        [f"2024-03-{1 + i % 28:02d}" for i in range(N)],
        [f"${i},{100 + 3 * i}.50" for i in range(N)],
        [f"{i}%" for i in range(N)],
        [f"{i / 7:.2f}" for i in range(N)],
    ],
)
def test_a_value_beside_a_text_is_the_answer(values: list[str]) -> None:
    write_jsonl("due.jsonl", [{"letter": f"We met on day {i}.", "due": due} for i, due in enumerate(values)])
    done = walk("due.jsonl")
    assert "a number, an amount or a date in every row, beside texts" in done.printed
    assert done.first.question.startswith("We met on day ")


def test_words_beside_their_explanations_are_not_guessed_at() -> None:
    rows = [{"term": f"term{i}", "meaning": f"what is the number {i} of all"} for i in range(N)]
    write_jsonl("words.jsonl", rows)
    assert "--target term or --target meaning" in " ".join(harness("init", "words.jsonl", code=2).split())


def test_a_constant_column_is_no_answer() -> None:
    write_jsonl("same.jsonl", [{"site": "Main Street", "notes": f"note {i}"} for i in range(N)])
    printed = " ".join(harness("init", "same.jsonl", code=2).split())
    assert "such as --target notes" in printed


def test_a_number_that_is_missing_is_no_answer_and_a_label_of_that_name_is() -> None:
    stars = ["NaN" if i % 6 == 0 else str(1 + i % 5) for i in range(N)]
    rows = [{"text": f"message {i}", "score": value} for i, value in enumerate(stars)]
    write_jsonl("stars.jsonl", rows)
    done = walk("stars.jsonl")
    assert "read as empty cells (5 in 'score')" in done.printed
    assert "format: number" in done.printed
    assert len(done.rows()) == N - 5
    foods = random.Random(1).choices(["nan", "rice"], k=N)
    write_jsonl("food.jsonl", [{"text": f"m {i}", "label": food} for i, food in enumerate(foods)])
    assert walk("food.jsonl").first.instructions.endswith("\n- nan\n- rice")


def test_one_column_that_holds_both_sides() -> None:
    write_jsonl("pairs.jsonl", [{"translation": {"en": f"house {i}", "fr": f"maison {i}"}} for i in range(N)])
    printed = " ".join(harness("init", "pairs.jsonl", code=2).split())
    assert "--input translation.en --target translation.fr" in printed
    done = walk("pairs.jsonl", "--input", "translation.en", "--target", "translation.fr")
    assert done.first.question.startswith("house ")
    assert done.first.target.startswith("maison ")


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        (
            {"id": 1, "data": {"text": "a b"}, "annotations": [{"result": []}], "created_at": "2024-01-01"},
            "export it as JSON-MIN or CSV",
        ),
        ({"id": 1, "text": "Ann lives here", "label": [[0, 3, "PERSON"]]}, "a JSON object of what is marked"),
    ],
)
def test_exports_of_annotation_tools_that_are_not_read(row: dict[str, object], remedy: str) -> None:
    write_jsonl("export.jsonl", [{**row, "id": i} for i in range(N)])
    assert remedy in " ".join(harness("init", "export.jsonl", code=2).split())


def test_hashes_are_ids() -> None:
    rows = [{**row, "_task_hash": 7 * i + 1} for i, row in enumerate(ROWS)]
    write_jsonl("hashed.jsonl", rows)
    assert walk("hashed.jsonl").first.question.startswith("message ")


def test_one_huge_row_does_not_shorten_the_first_run() -> None:
    rows = [
        {**row, "text": row["text"] + " and so on" * (20_000 if i == 3 else 1)} for i, row in enumerate(ROWS)
    ]
    write_jsonl("huge.jsonl", rows)
    assert next_command(harness("init", "huge.jsonl")) == ["run", "huge"]

"""JSON files as data frames and exports write them, and tables that hold what their first line does not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

N = 30
TEXTS, LABELS = [f"t{i}" for i in range(N)], ["ab"[i % 2] for i in range(N)]
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
SHAPES: dict[str, Any] = {
    "records": ROWS,
    "one list in an object": {"version": 1, "data": ROWS},
    "lists by column": {"text": TEXTS, "label": LABELS},
    "pandas' default": {
        "text": {str(i): text for i, text in enumerate(TEXTS)},
        "label": {str(i): label for i, label in enumerate(LABELS)},
    },
    "pandas' split": {
        "columns": ["text", "label"],
        "index": list(range(N)),
        "data": [list(row.values()) for row in ROWS],
    },
    "objects by id": {f"q{i}": row for i, row in enumerate(ROWS)},
}


def made(path: Path, content: str, **wish: Any) -> Made:
    path.write_text(content, encoding="utf-8")
    return init(str(path), path.parent / "tasks", Wish(**wish))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(tmp_path: Path, shape: str) -> None:
    task = load(made(tmp_path / "rows.json", json.dumps(SHAPES[shape])).folder)
    pairs = {(e.input["input"], e.target) for part in task.splits.values() for e in part}
    assert pairs == set(zip(TEXTS, LABELS, strict=True))


def test_several_lists_of_rows_are_named(tmp_path: Path) -> None:
    message = r"holds 2 lists of rows: 'examples' \(30\), 'meta' \(1\) — write each into a file of its own"
    with pytest.raises(ConfigError, match=message):
        made(tmp_path / "rows.json", json.dumps({"examples": ROWS, "meta": [{"a": 1}]}))


@pytest.mark.parametrize(
    "value", [{}, {"a": 1}, {"a": [1], "b": [1, 2]}, {"columns": ["a"], "data": [[1, 2]]}, "x"]
)
def test_json_without_rows_says_what_is_wanted(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigError, match="holds no rows — a list of objects"):
        made(tmp_path / "rows.json", json.dumps(value))


def test_a_first_line_that_is_a_row_is_pointed_out(tmp_path: Path) -> None:
    lines = "".join(f"text number {i},{label}\n" for i, label in enumerate(LABELS))
    (line,) = [g for g in made(tmp_path / "bare.csv", lines).guesses if g.startswith("look at")]
    assert line.startswith("look at: column 'a' has its own name as a value: is the first line a row?")


@pytest.mark.parametrize("price", ["{},5", '"1.{:03},50"', '"$1,{:03}.50"', "{} €"])
def test_numbers_as_people_write_them_get_the_hint(tmp_path: Path, price: str) -> None:
    lines = "".join(f'"thing {i}";{price.format(i + 10)}\n' for i in range(N))
    result = made(tmp_path / "prices.csv", f"product;price\n{lines}", target="price")
    (line,) = [guess for guess in result.guesses if guess.startswith("format: ")]
    assert "to have them compared as numbers, write 1234.5" in line


def test_lists_of_labels_say_that_each_is_accepted_and_how_to_ask_for_all(tmp_path: Path) -> None:
    rows = [{"text": f"t{i}", "labels": [["a", "b"], ["b"], ["c", "a"]][i % 3]} for i in range(N)]
    content = json.dumps(rows)
    result = made(tmp_path / "tags.json", content, target="labels")
    assert any("where all of them are wanted: --format json_schema" in line for line in result.guesses)
    result = made(tmp_path / "tags.json", content, target="labels", format="json_schema", name="all")
    assert load(result.folder).instructions.startswith("Answer with one JSON array and nothing else.")

"""Encodings, quotes, missing values and line counts of text files: read right, or told."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.tasks import sources, tables
from harness.tasks.init import Wish, init
from harness.tasks.load import load

TEXT = "text,label\n" + "".join(f"café “{i}”,{'ab'[i % 2]}\n" for i in range(30))
PLAIN = TEXT.replace("“", "").replace("”", "")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TEXT, "cp1252"),
        (PLAIN, "latin-1"),
        (PLAIN.replace("é", "é\x81"), "latin-1"),
        (TEXT, "utf-16-le"),
        (TEXT, "utf-16-be"),
    ],
)
def test_the_encoding_that_is_named_is_the_one_that_works(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ConfigError, match="not UTF-8") as error:
        init(str(path), tmp_path / "tasks", Wish())
    named = re.search(r"--encoding (\S+) to `harness init`", str(error.value))
    assert named is not None
    assert named[1] == encoding
    task = load(init(str(path), tmp_path / "tasks", Wish(encoding=named[1])).folder)
    assert {e.input["input"] for part in task.splits.values() for e in part} == {
        line.rpartition(",")[0] for line in text.splitlines()[1:]
    }


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_says_enough(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(TEXT.encode(encoding))
    assert sources.read(path)[3].row == {"text": "café “3”", "label": "b"}
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"a": "é"}\n'.encode(encoding))
    assert sources.read(path)[0].row == {"a": "é"}


def test_quotes_in_a_tsv_swallow_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    cells = ['"an open quote', '5" disk', 'a "word" inside', '"whole ""cell"""', 'last"', "plain, with comma"]
    path.write_text("text\tlabel\n" + "".join(f"{cell}\tx{i}\n" for i, cell in enumerate(cells)), "utf-8")
    rows = sources.read(path)
    assert [located.row["text"] for located in rows] == [*cells[:3], 'whole "cell"', *cells[4:]]
    assert [located.line for located in rows] == list(range(2, 8))


def test_a_tsv_whose_cells_span_lines_is_read_by_its_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('text\tlabel\n"two\nlines"\tx\nplain\ty\n', "utf-8")
    assert [located.row for located in sources.read(path)] == [
        {"text": "two\nlines", "label": "x"},
        {"text": "plain", "label": "y"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a,b\n1,2\n3,"4\n5,6\n', r"t\.csv:3: .*a quoted cell that starts on line 3 is never closed"),
        ('a,b\n1,2\n3,"4\n5,6"x\n7,8\n', r"t\.csv:3: .*text after a closing quote, in the row .* line 3"),
    ],
)
def test_a_csv_quote_that_swallows_rows_is_an_error_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message):
        sources.read(path)


def test_lines_that_look_like_rows_inside_a_cell_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"2\n3,4\n5,6\n7,8"\n9,0\n', "utf-8")
    with caplog.at_level(logging.WARNING):
        assert len(sources.read(path)) == 2
    assert "lines 2–5 are read as one row each" in caplog.text
    caplog.clear()
    path.write_text('a,b\n1,"Dear all\nthis is prose\nbye"\n9,0\n', "utf-8")
    with caplog.at_level(logging.WARNING):
        assert len(sources.read(path)) == 2
    assert caplog.text == ""


def test_more_lines_than_rows_are_explained_with_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    body = "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(20))
    path.write_text(f'text,label\n\n"two\nlines",a\n{body}\n\nlast,b\n', "utf-8")
    made = init(str(path), tmp_path / "tasks", Wish())
    assert (
        "rows: 22 in t.csv, which has 27 lines; rows of several lines, and blank lines: 2–2, 3–4, 24–26"
        in made.guesses
    )
    path.write_text(f"text,label\n{body}", "utf-8")
    assert not any(line.startswith("rows:") for line in init(str(path), tmp_path / "two", Wish()).guesses)
    assert tables.difference(path, list(range(2, 22)), "utf-8") == ""


def test_a_header_with_the_other_delimiter_in_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"text, long, or short";label\nhello;x\n', "utf-8")
    assert sources.read(path)[0].row == {"text, long, or short": "hello", "label": "x"}


def test_a_table_of_too_many_columns_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_COLUMNS", 3)
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,d\n1,2,3,4\n", "utf-8")
    with pytest.raises(ConfigError, match=r"t\.csv:1: 4 columns, at most 3 are read"):
        sources.read(path)


def test_nan_in_json_is_empty_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"t{i}", "age": float("nan") if i % 4 else i, "label": "ab"[i % 2]} for i in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with caplog.at_level(logging.WARNING):
        task = load(init(str(path), tmp_path / "tasks", Wish()).folder)
    assert "read as empty cells (30 in 'age')" in caplog.text
    assert {type(e.input["age"]) for part in task.splits.values() for e in part} == {int, type(None)}


def test_nan_in_a_csv_is_empty_and_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = "".join(f"t{i},{i if i % 4 else 'nan'},{'ab'[i % 3 % 2]}\n" for i in range(40))
    path.write_text(f"text,age,label\n{lines}", "utf-8")
    made = init(str(path), tmp_path / "tasks", Wish())
    assert "the data: NaN and infinite numbers are read as empty cells (10 in 'age')" in made.guesses
    assert all("nan" not in e.input.values() for part in load(made.folder).splits.values() for e in part)


def test_nan_in_a_task_s_own_rows_is_a_finding(tiny_task: Path) -> None:
    from harness.tasks import checks

    lines = (tiny_task / "test.jsonl").read_text("utf-8").splitlines()
    row = {**json.loads(lines[0]), "input": "nan"}
    (tiny_task / "test.jsonl").write_text("\n".join([json.dumps(row), *lines[1:]]), "utf-8")
    problem = next(p for p in checks.problems(load(tiny_task)) if p.check == "nan")
    assert (problem.level, problem.ids) == ("warning", (row["id"],))

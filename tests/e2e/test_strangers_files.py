"""Kinds of files as strangers have them: encodings, tabs and quotes, workbooks, folders and archives of texts."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.e2e.strangers_kit import harness, walk

N = 24
WORDS = ["naïve", "façade", "café", "Zürich", "déjà vu", "smörgås"]
LINES = [(f"{WORDS[i % 6]} number {i}", "ab"[i * 5 % 7 % 2]) for i in range(N)]
TABLE = "text,label\n" + "".join(f"{text},{label}\n" for text, label in LINES)

pytestmark = pytest.mark.usefixtures("stranger")


@pytest.mark.parametrize(
    ("encoding", "table"),
    [
        ("latin-1", TABLE),
        ("cp1252", TABLE.replace("number 5", "“number 5”")),
        ("utf-16-le", TABLE),
    ],
)
def test_an_encoding_is_named_and_the_remedy_works(encoding: str, table: str) -> None:
    Path("words.csv").write_bytes(table.encode(encoding))
    refused = harness("init", "words.csv", code=2)
    named = re.search(r"--encoding (\S+) to `harness init`", refused)
    assert named is not None, refused
    assert named[1] == encoding
    done = walk("words.csv", "--encoding", named[1])
    assert done.first.question in table
    assert {row["input"]["input"] if "input" in row["input"] else row["input"] for row in done.rows()} <= set(
        table.replace("\n", ",").split(",")
    )


def test_utf_16_with_its_mark() -> None:
    Path("words.csv").write_bytes(TABLE.encode("utf-16"))
    done = walk("words.csv")
    assert (done.first.question, done.first.target) in LINES


def test_tabs_and_open_quotes() -> None:
    lines = [(f'5" disk, {text}' if i % 2 else f'"{text}', label) for i, (text, label) in enumerate(LINES)]
    Path("disks.tsv").write_text(
        "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in lines), "utf-8"
    )
    done = walk("disks.tsv")
    assert (done.first.question, done.first.target) in lines
    assert len(done.rows()) == N


def test_a_workbook_with_one_sheet_named() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Mails"
    for line in (("text", "label"), *LINES):
        sheet.append(line)
    book.create_sheet("Prices").append(("item", "price"))
    book["Prices"].append(("bed", 3))
    book.save("book.xlsx")
    refused = harness("init", "book.xlsx", code=2)
    assert "Mails" in refused
    assert "--sheet" in refused
    done = walk("book.xlsx", "--sheet", "Mails")
    assert (done.first.question, done.first.target) in LINES


def texts(root: Path) -> None:
    """A folder of texts for each label."""
    for i, (text, label) in enumerate(LINES):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{i}.txt").write_text(f"{text}\nand more\n", "utf-8")


def test_a_folder_of_texts_by_label() -> None:
    texts(Path("mails"))
    done = walk("mails")
    assert (done.first.question.removesuffix("\nand more"), done.first.target) in LINES
    assert done.first.instructions.endswith("\n- a\n- b")


def test_an_archive_of_texts_by_label() -> None:
    texts(Path("mails"))
    with zipfile.ZipFile("mails.zip", "w") as archive:
        for file in sorted(Path("mails").rglob("*.txt")):
            archive.write(file)
    done = walk("mails.zip")
    assert (done.first.question.removesuffix("\nand more"), done.first.target) in LINES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("prose.jsonl", '{"text": "once upon"}\n{"text": "a time"}\n', "no answer to learn"),
        ("tags.jsonl", '{"tokens": ["a", "b"], "ner_tags": [0, 1]}\n', "tokens with a tag each"),
        ("ranked.jsonl", '{"prompt": "p", "completions": ["a", "b"]}\n', "several answers to a prompt"),
        ("open.csv", 'text,label\na,b\n"c,d\n', "starts on line 3 is never closed"),
    ],
)
def test_what_is_not_supported_is_one_line_with_the_remedy(name: str, text: str, message: str) -> None:
    Path(name).write_text(text, "utf-8")
    refused = harness("init", name, code=2).strip()
    assert message in refused
    assert " — " in refused
    assert "\n" not in refused
    assert not Path("tasks").exists()

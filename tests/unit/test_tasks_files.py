"""Data as folders, archives and workbooks: `init` finds what is what, and names what it cannot know."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.tasks import sources
from harness.tasks.folders import split_of
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

REVIEWS = {
    f"{label}/{i}.txt": f"film {i} is {word}\n"
    for label, word in (("neg", "bad"), ("pos", "fine"))
    for i in range(10)
}


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def zipped(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def made(data: Path, folder: Path, **wish: Any) -> tuple[Made, Task]:
    task = init(str(data), folder / "tasks", Wish(**wish))
    return task, load(task.folder)


def pairs(task: Task, split: str | None = None) -> set[tuple[str, Any]]:
    """User message and target of every example."""
    parts = task.splits.values() if split is None else [task.splits[split]]
    prompter = build("programs", "zero_shot").prepare(task, (), 0)
    return {(prompter(e).messages[-1].content, e.target) for part in parts for e in part}


def table(first: int, last: int) -> str:
    return "text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(first, last))


EXPECTED = {(text.strip(), name.split("/")[0]) for name, text in REVIEWS.items()}


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("above", ["", "reviews/"])
def test_a_folder_of_texts_per_label(tmp_path: Path, archive: bool, above: str) -> None:
    files: dict[str, Any] = {above + name: text for name, text in REVIEWS.items()}
    files |= {f"{above}pos/.hidden": "x", "__MACOSX/pos/1.txt": "x", f"{above}unsup/1.txt": "no label"}
    data = zipped(tmp_path / "films.zip", files) if archive else write(tmp_path / "films", files)
    task_made, task = made(data, tmp_path)
    assert task.name == "films"
    assert pairs(task) == EXPECTED
    assert task.format.config()["choices"] == ("neg", "pos")
    assert "texts by label, from the names of folders: neg (10), pos (10)" in task_made.guesses


def test_texts_per_label_in_a_folder_per_split(tmp_path: Path) -> None:
    files: dict[str, Any] = {
        f"{split}/{name}": f"{split} {text}" for split in ("train", "test") for name, text in REVIEWS.items()
    }
    _, task = made(write(tmp_path / "films", files), tmp_path)
    assert pairs(task, "test") == {(f"test {text}", label) for text, label in EXPECTED}


def test_an_archive_of_split_files(tmp_path: Path) -> None:
    from io import BytesIO

    import pyarrow
    from pyarrow import parquet

    stream = BytesIO()
    parquet.write_table(
        pyarrow.Table.from_pylist([{"text": f"row {i}", "label": "ab"[i % 2]} for i in range(90, 99)]), stream
    )
    files = {"set/train.csv": table(0, 40), "set/test.parquet": stream.getvalue(), "set/readme.txt": "hello"}
    _, task = made(zipped(tmp_path / "set.zip", files), tmp_path)
    assert pairs(task, "test") == {(f"row {i}", "ab"[i % 2]) for i in range(90, 99)}
    assert len(pairs(task, "train")) == 36


def test_the_parts_of_a_split_are_read_together_and_the_rest_is_named(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "data/train-00000-of-00002.csv": table(0, 20),
        "data/train-00001-of-00002.csv": table(20, 40),
        "data/validation-00000-of-00001.csv": table(40, 50),
        "data/labels.csv": "a\nb\n",
    }
    task_made, task = made(write(tmp_path / "hub", files), tmp_path)
    assert {text for text, _ in pairs(task, "dev")} == {f"row {i}" for i in range(40, 50)}
    assert {text for text, _ in pairs(task)} == {f"row {i}" for i in range(50)}
    assert "not read: labels.csv" in task_made.guesses
    assert "files: train from train-00000-of-00002.csv, train-00001-of-00002.csv" in task_made.guesses


def test_one_odd_file_among_many_can_have_another_encoding(tmp_path: Path) -> None:
    files = {
        "train_a.csv": table(0, 20) + "Zürich,a\n",
        "train_b.csv": (table(20, 40) + "Genève,b\n").encode("latin-1"),
    }
    data = write(tmp_path / "cities", files)
    with pytest.raises(ConfigError, match=r"train_b\.csv:22: not UTF-8"):
        made(data, tmp_path)
    _, task = made(data, tmp_path, encoding="latin-1")
    assert {("Zürich", "a"), ("Genève", "b")} <= pairs(task)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("train-00001-of-00002", "train"),
        ("snips_test", "test"),
        ("validate_Play", "dev"),
        ("my_validation", "dev"),
        ("Training", "train"),
        ("latest", "latest"),
        ("a_train_of_cars", "a_train_of_cars"),
    ],
)
def test_which_split_a_name_stands_for(name: str, split: str) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.csv": "x", "b.csv": "x"}, r"no train file among a\.csv, b\.csv — name one of them"),
        ({"notes.docx": "x"}, r"no data in this folder — .*train\.csv.*for each label"),
        ({}, "no data in this folder"),
    ],
)
def test_a_folder_that_cannot_be_told_is_one_line(
    tmp_path: Path, files: dict[str, Any], message: str
) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=message):
        made(write(tmp_path / "mine", files), tmp_path)


def test_a_folder_with_one_data_file_is_that_file(tmp_path: Path) -> None:
    task_made, task = made(write(tmp_path / "mine", {"rows.csv": table(0, 20)}), tmp_path)
    assert len(pairs(task)) == 20
    assert "file: rows.csv" in task_made.guesses


def test_an_archive_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK no archive")
    with pytest.raises(ConfigError, match=r"x\.zip: not a \.zip archive"):
        made(tmp_path / "x.zip", tmp_path)
    with pytest.raises(ConfigError, match=r"none\.zip: no such file"):
        made(tmp_path / "none.zip", tmp_path)


def test_a_broken_row_in_an_archive_is_named_with_the_archive_and_its_line(tmp_path: Path) -> None:
    data = zipped(tmp_path / "x.zip", {"train.jsonl": '{"text": "a", "label": "b"}\nno json\n'})
    with pytest.raises(ConfigError, match=r"x\.zip/train\.jsonl:2: broken JSON"):
        made(data, tmp_path)


def test_splits_of_a_hub_data_set_are_found_in_longer_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["train_gen", "test_sft", "train"]
    monkeypatch.setattr(sources, "hub_splits", lambda name: names)
    monkeypatch.setattr(sources, "read_hub", lambda name, split: sources.read(tmp_path / f"{split}.csv"))
    write(tmp_path, {f"{name}.csv": table(20 * i, 20 * i + 20) for i, name in enumerate(names)})
    _, task = made(Path("some/set"), tmp_path)
    assert {text for text, _ in pairs(task, "test")} == {f"row {i}" for i in range(20, 40)}
    assert {text for text, _ in pairs(task)} == {f"row {i}" for i in range(20, 60)}


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


TICKETS = [
    ["text", "label", "when", "n"],
    *([f"row {i}", "ab"[i % 2], datetime.datetime(2026, 1, 2), i + 0.5] for i in range(20)),
]


def test_a_workbook_s_one_sheet_is_a_table(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", Rows=[[None], *TICKETS[:5], [None, None], *TICKETS[5:]], Empty=[])
    rows = sources.read(path)
    assert [located.row for located in rows] == [
        {"text": f"row {i}", "label": "ab"[i % 2], "when": "2026-01-02T00:00:00", "n": i + 0.5}
        for i in range(20)
    ]
    assert (rows[0].line, rows[4].line) == (3, 8)
    _, task = made(path, tmp_path, target="label", inputs=("text",))
    assert pairs(task) == {(f"row {i}", "ab"[i % 2]) for i in range(20)}


def test_of_several_sheets_one_is_named(tmp_path: Path) -> None:
    path = book(tmp_path / "t.xlsx", Old=[["a"], ["x"]], New=TICKETS)
    with pytest.raises(ConfigError, match=r"t\.xlsx: 2 sheets hold rows: Old, New — name one: --sheet 'Old'"):
        made(path, tmp_path)
    with pytest.raises(ConfigError, match="no sheet 'Nwe' — did you mean 'New'"):
        made(path, tmp_path, sheet="Nwe")
    _, task = made(path, tmp_path, sheet="New", target="label", inputs=("text",))
    assert len(pairs(task)) == 20
    yaml = "data: {test: t.xlsx, sheet: New, map: {input: text, target: label}}"
    (tmp_path / "task.yaml").write_text(yaml, encoding="utf-8")
    assert len(load(tmp_path).splits["test"]) == 20


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["a", "a"], [1, 2]], "t.xlsx:1: column 'a' appears twice"),
        ([["a", None, "b"], [1, 2, 3]], "t.xlsx:1: column 2 has no name"),
        ([["a", "b"], [1, 2], [1, 2, 3]], "t.xlsx:3: more cells than the 2 columns"),
    ],
)
def test_a_sheet_that_is_no_table_is_named_with_its_row(
    tmp_path: Path, rows: list[list[Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        sources.read(book(tmp_path / "t.xlsx", Rows=rows))


def test_a_file_that_is_no_workbook_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("text,label", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"t\.xlsx: not an \.xlsx workbook.* — save it again, or as \.csv"):
        sources.read(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("a.xls", "save it as .xlsx"), ("a.jsonl.gz", "gunzip"), ("a.pdf", "corpus"), ("a.pkl", "can run code")],
)
def test_kinds_of_files_that_are_not_read_get_a_remedy(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=rf"cannot read '\.\w+' files — .*{remedy}"):
        made(tmp_path / name, tmp_path)


def test_a_workbook_of_prompts_is_the_layout_of_prompts(tmp_path: Path) -> None:
    cells = [["prompt", "completion"], *([f"p {i}", f"c {i}"] for i in range(20))]
    task_made, task = made(book(tmp_path / "t.xlsx", Rows=cells), tmp_path)
    assert "rows: layout 'prompt/completion'" in task_made.guesses
    assert pairs(task) == {(f"p {i}", f"c {i}") for i in range(20)}

"""Files that a stranger brings: class codes with a list of names beside them, columns that one split lacks, a JSON
file per row, yes and no in several spellings, a column per label."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load

NAMES = ["negative", "neutral", "positive"]
CODED = "text,label\n" + "".join(f"message number {i},{i % 3}\n" for i in range(60))
README = """---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': negative
          '1': neutral
          '2': positive
---
# Messages
"""


def made_of(root: Path, data: str = "data", **wish: str) -> tuple[Made, Task]:
    made = init(str(root / data), root / "tasks", Wish(**wish))  # type: ignore[arg-type]
    return made, load(made.folder)


def folder(root: Path, **files: str) -> None:
    (root / "data").mkdir()
    for name, text in files.items():
        (root / "data" / name.replace("__", ".")).write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "negative\nneutral\npositive\n"),
        ("labels.txt", "2: positive\n0: negative\n1: neutral\n"),
        ("label_names.json", json.dumps(NAMES)),
        ("id2label.json", json.dumps(dict(enumerate(NAMES)))),
        ("label2id.json", json.dumps({name: code for code, name in enumerate(NAMES)})),
        ("README.md", README),
    ],
)
def test_codes_become_the_names_that_a_file_beside_the_data_gives(
    tmp_path: Path, name: str, text: str
) -> None:
    folder(tmp_path, train__csv=CODED, **{name: text})
    made, task = made_of(tmp_path)
    assert task.format.config()["choices"] == ("negative", "neutral", "positive")
    rows = [example for part in task.splits.values() for example in part]
    assert {(e.input["input"], e.target) for e in rows} == {
        (f"message number {i}", NAMES[i % 3]) for i in range(60)
    }
    line = f"codes of 'label' become the names in {name}: 0 = negative, 1 = neutral, 2 = positive"
    assert sorted(next(g for g in made.guesses if g.startswith("codes")).split(": ", 1)[1].split(", ")) == (
        sorted(line.split(": ", 1)[1].split(", "))
    )


def test_a_list_beside_one_file_names_its_codes_unless_numbers_are_asked_for(tmp_path: Path) -> None:
    folder(tmp_path, rows__csv=CODED, classes__txt="negative\nneutral\npositive\n")
    assert made_of(tmp_path, "data/rows.csv")[1].format.name() == "choice"
    _, task = made_of(tmp_path, "data/rows.csv", name="numbers", format="number")
    assert {e.target for e in task.splits["test"]} == {0, 1, 2}


@pytest.mark.parametrize(
    "text", ["negative\nneutral\n", "negative\nnegative\npositive\n", "0\n1\n2\n", "{broken", ""]
)
def test_a_list_that_does_not_name_every_code_names_none(tmp_path: Path, text: str) -> None:
    folder(tmp_path, train__csv=CODED, classes__txt=text, labels__json=text)
    made, task = made_of(tmp_path)
    assert task.format.name() == "number"
    assert any("classes.txt beside the data" in line for line in made.guesses)


def test_a_list_that_is_a_link_out_of_the_folder_is_not_read(tmp_path: Path) -> None:
    folder(tmp_path, train__csv=CODED)
    (tmp_path / "outside.txt").write_text("negative\nneutral\npositive\n", "utf-8")
    (tmp_path / "data" / "classes.txt").symlink_to(tmp_path / "outside.txt")
    assert made_of(tmp_path)[1].format.name() == "number"


def test_a_column_that_test_lacks_is_not_shown_in_train_either(tmp_path: Path) -> None:
    train = "id,text,source,label\n" + "".join(
        f"{i},message {i},{'web' if i % 2 else 'mail'},{'ab'[i % 2]}\n" for i in range(40)
    )
    test = "text,label\n" + "".join(f"question {i},{'ab'[i % 2]}\n" for i in range(40))
    folder(tmp_path, train__csv=train, test__csv=test)
    made, task = made_of(tmp_path)
    assert {(c.name, c.role, c.reason) for c in made.columns if c.role == "meta"} == {
        ("id", "meta", "test has no such column"),
        ("source", "meta", "test has no such column"),
    }
    assert [list(e.input) for part in task.splits.values() for e in part] == [["input"]] * 80
    _, wanted = made_of(tmp_path, name="wanted", **{"inputs": ("text", "source")})  # type: ignore[arg-type]
    assert set(wanted.splits["train"][0].input) == {"text", "source"}


def test_a_folder_of_one_json_object_a_file_is_a_table(tmp_path: Path) -> None:
    folder(
        tmp_path,
        **{f"{i:02}.json": json.dumps({"document": f"d {i}", "category": "ab"[i % 2]}) for i in range(40)},
    )
    made, _ = made_of(tmp_path)
    assert sum(made.sizes.values()) == 40
    assert "files: 40 .json files, a row each" in made.guesses
    (tmp_path / "data" / "more.json").write_text("[]", "utf-8")
    with pytest.raises(ConfigError, match="no train file among"):
        made_of(tmp_path, name="other")


def test_yes_and_no_in_several_spellings_are_told(tmp_path: Path) -> None:
    spellings = ("yes", "no", "TRUE", "FALSE", "1", "0")
    folder(
        tmp_path, train__csv="text,spam\n" + "".join(f"message {i},{spellings[i % 6]}\n" for i in range(60))
    )
    made, _ = made_of(tmp_path)
    lines = [line for line in made.guesses if "say yes or no in several ways" in line]
    assert len(lines) == 1
    assert "'0' / 'FALSE' / 'no'; '1' / 'TRUE' / 'yes'" in lines[0]


def test_a_column_for_each_label_and_a_list_of_labels_get_the_remedy(tmp_path: Path) -> None:
    flags = "comment,billing,login,other\n" + "".join(
        f"message {i},{i % 2},{i // 2 % 2},{i // 4 % 2}\n" for i in range(40)
    )
    folder(tmp_path, train__csv=flags)
    with pytest.raises(
        ConfigError, match="3 columns .billing, login, other, …. hold 0 or 1.*'billing; login'"
    ):
        made_of(tmp_path)
    rows = [{"text": f"message {i}", "labels": ["a", "b"][: 1 + i % 2]} for i in range(40)]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(ConfigError, match="--target labels; .* add --format json_schema"):
        made_of(tmp_path, "lists.jsonl")
    _, task = made_of(tmp_path, "lists.jsonl", target="labels", format="json_schema")
    assert ["a", "b"] in [e.target for e in task.splits["test"]]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("rows.sqlite", "sqlite3 -header -csv rows.sqlite"),
        ("rows.md", "write the table as .csv"),
        ("rows.yaml", "one JSON object a line"),
        ("my rows.csv.gz", "gunzip -k 'my rows.csv.gz'"),
    ],
)
def test_files_of_other_kinds_get_a_remedy_that_names_them(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / name).write_text("rows", "utf-8")
    with pytest.raises(ConfigError) as refused:
        init(str(tmp_path / name), tmp_path / "tasks", Wish())
    assert remedy in refused.value.remedy

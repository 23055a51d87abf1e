"""`init` guesses well on ordinary data, says what it guessed, and never harms what is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.core.values import Example
from harness.tasks import column_inference, schema_inference
from harness.tasks.init import Made, Wish, init
from harness.tasks.load import load


def make(folder: Path, rows: Sequence[dict[str, Any]], **wish: Any) -> tuple[Made, Task]:
    data = folder / "things.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = init(str(data), folder / "tasks", Wish(**wish))
    return made, load(made.folder)


def test_a_table_of_labels(tmp_path: Path) -> None:
    rows = [{"id": i, "Text": f"message {i}", "category": ("up", "down", "e, f")[i % 3]} for i in range(90)]
    made, task = make(tmp_path, rows)
    assert made.name == task.name == "things"
    assert made.sizes == {"train": 63, "dev": 9, "test": 18}
    assert task.format.config() == {"kind": "choice", "choices": ("down", "e, f", "up"), "ignore_case": True}
    assert task.primary == "exact"
    everything = {e.id: (e.input["input"], e.target) for part in task.splits.values() for e in part}
    assert everything == {str(row["id"]): (row["Text"], row["category"]) for row in rows}
    assert [line.split(":")[0] for line in made.guesses] == ["target", "input", "id", "format"]
    for label in ("up", "down", "e, f"):
        assert f"- {label}" in task.instructions


def test_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{"text": f"Message {i % 30}" + " " * (i // 30), "label": "ab"[i % 2]} for i in range(90)]
    _, task = make(tmp_path, rows)
    sides = [{e.input["input"].strip() for e in part} for part in task.splits.values()]
    assert sum(len(side) for side in sides) == 30


def test_sizes_asked_for_are_the_sizes_made(tmp_path: Path) -> None:
    rows = [{"text": f"message {i}", "label": "ab"[i % 2]} for i in range(400)]
    _, task = make(tmp_path, rows, sizes={"train": 50, "dev": 10, "test": 20})
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 50, "dev": 10, "test": 20}
    assert sum(e.target == "a" for e in task.splits["train"]) == 25


def test_fewer_rows_are_evenly_spaced(tmp_path: Path) -> None:
    rows = [{"text": f"message {i}", "label": "abcd"[i // 100]} for i in range(400)]
    _, task = make(tmp_path, rows, limit_rows=40)
    everything = [e.target for part in task.splits.values() for e in part]
    assert {label: everything.count(label) for label in "abcd"} == dict.fromkeys("abcd", 10)


@pytest.mark.parametrize("as_text", [False, True])
def test_objects_get_a_schema(tmp_path: Path, as_text: bool) -> None:
    objects = [{"kind": "ab"[i % 2], "n": i, **({"note": f"x{i}"} if i % 3 else {})} for i in range(40)]
    rows = [{"text": f"t {i}", "output": json.dumps(o) if as_text else o} for i, o in enumerate(objects)]
    made, task = make(tmp_path, rows)
    schema = json.loads((made.folder / "schema.json").read_text(encoding="utf-8"))
    assert schema["properties"] == {
        "kind": {"type": "string", "enum": ["a", "b"]},
        "n": {"type": "integer"},
        "note": {"type": "string"},
    }
    assert schema["required"] == ["kind", "n"]
    assert (task.format.name(), task.primary) == ("json_schema", "fields")
    assert task.splits["test"][0].target in objects


def test_numbers(tmp_path: Path) -> None:
    rows = [{"question": f"q {i}", "answer": str(i * 7)} for i in range(40)]
    _, task = make(tmp_path, rows)
    assert (task.format.name(), task.primary) == ("number", "exact")
    assert {type(e.target) for e in task.splits["test"]} <= {int, float}


def test_codes_with_leading_zeros_are_no_numbers() -> None:
    assert column_inference.answer([Example(id="a", input={}, target="007")]).spec == {"kind": "text"}


def test_free_text(tmp_path: Path) -> None:
    rows = [{"question": f"q {i}", "answer": f"short answer {i}"} for i in range(40)]
    _, task = make(tmp_path, rows)
    assert (task.format.name(), task.primary) == ("text", "f1")


def test_labels_that_differ_in_case_alone(tmp_path: Path) -> None:
    rows = [{"text": f"q {i}", "label": ("us", "US")[i % 2]} for i in range(40)]
    _, task = make(tmp_path, rows)
    assert {e.target for e in task.splits["test"]} == {"us", "US"}


def test_labels_that_look_like_templates(tmp_path: Path) -> None:
    rows = [{"text": f"q {i}", "label": ("{{ a }}", "{% b")[i % 2]} for i in range(40)]
    _, task = make(tmp_path, rows)
    assert {e.target for e in task.splits["test"]} == {"{{ a }}", "{% b"}


def test_several_input_columns_keep_their_names(tmp_path: Path) -> None:
    rows = [
        {"sentence": f"do {i}", "context": f"to {i}", "output": f"done {i}", "rejected": "no"}
        for i in range(40)
    ]
    _, task = make(tmp_path, rows)
    assert set(task.splits["train"][0].input) == {"sentence", "context"}
    assert task.input == "sentence: {{ sentence }}\ncontext: {{ context }}"
    _, task = make(tmp_path, rows, name="other", inputs=("sentence", "rejected"), target="output")
    assert set(task.splits["train"][0].input) == {"sentence", "rejected"}


def test_recognised_layouts_need_no_guess(tmp_path: Path) -> None:
    made, task = make(tmp_path, [{"prompt": f"p {i}", "completion": f"c {i}"} for i in range(20)])
    assert made.guesses[0] == "rows: layout 'prompt/completion'"
    assert task.splits["test"][0].input["input"].startswith("p ")


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [{"text": f"q {i}", "label": "ab"[i % 2] if i % 10 else ""} for i in range(100)]
    made, task = make(tmp_path, rows)
    where = "lines 1, 11, 21, 31, 41, …"
    assert f"left out: 10 rows of the data without input or target ({where})" in made.guesses
    assert sum(len(part) for part in task.splits.values()) == 90


def test_files_named_train_and_test_are_kept_apart(tmp_path: Path) -> None:
    data = tmp_path / "corpus_x"
    data.mkdir()
    for split, count in (("train", 60), ("test", 30)):
        lines = "".join(f"{split} text {i},{'ab'[i % 2]}\n" for i in range(count))
        (data / f"{split}.csv").write_text(f"text,label\n{lines}", encoding="utf-8")
    made = init(str(data), tmp_path / "tasks", Wish())
    task = load(made.folder)
    assert (made.name, made.sizes) == ("corpus_x", {"train": 54, "dev": 6, "test": 30})
    assert all(e.input["input"].startswith("test") for e in task.splits["test"])
    assert all(e.input["input"].startswith("train") for e in (*task.splits["dev"], *task.splits["train"]))


def test_a_general_file_name_takes_the_folder_s(tmp_path: Path) -> None:
    folder = tmp_path / "My Data"
    folder.mkdir()
    text = "text,label\n" + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(20))
    (folder / "train.csv").write_text(text, encoding="latin-1")
    assert init(str(folder / "train.csv"), tmp_path / "tasks", Wish()).name == "my_data"


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    rows = [{"text": f"q {i}", "label": "ab"[i % 2]} for i in range(40)]
    made, _ = make(tmp_path, rows)
    (made.folder / "task.yaml").write_text("mine", encoding="utf-8")
    (made.folder / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"this folder exists — .*--force"):
        make(tmp_path, rows)
    assert (made.folder / "task.yaml").read_text(encoding="utf-8") == "mine"
    make(tmp_path, rows, force=True)
    assert (made.folder / "task.yaml").read_text(encoding="utf-8") != "mine"
    assert (made.folder / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("rows", "wish", "message"),
    [
        (
            [{"a": 1, "b": 2, "c": 3}],
            {},
            r"cannot tell which column is the answer \(columns: a, b, c\).*--target",
        ),
        ([{"text": "a", "label": "b"}], {"target": "lable"}, "no column 'lable' — did you mean 'label'"),
        ([{"text": "a", "label": "b"}], {"inputs": ("texd",)}, "no column 'texd' — did you mean 'text'"),
        ([{"label": "b"}], {}, "no column is left for the input"),
        ([{"text": "a", "label": "b"}] * 2, {}, "2 rows are too few"),
        ([{"text": "a", "label": "b"}], {"name": "../x"}, "cannot be a task's name"),
        ([], {}, "no rows"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(
    tmp_path: Path, rows: list[dict[str, Any]], wish: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make(tmp_path, rows, **wish)
    assert not list((tmp_path / "tasks").glob("*"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: no such file"):
        init(str(tmp_path / "none.csv"), tmp_path, Wish())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON), min_size=1, max_size=12))
def test_an_inferred_schema_accepts_all_it_was_inferred_from(values: list[dict[str, Any]]) -> None:
    schema = schema_inference.schema(values)
    jsonschema.Draft202012Validator.check_schema(schema)
    for value in values:
        jsonschema.validate(value, schema)


def test_an_inferred_schema_refuses_what_was_never_seen() -> None:
    validator = jsonschema.Draft202012Validator(
        schema_inference.schema([{"a": ["x"], "b": n} for n in range(3)])
    )
    assert validator.is_valid({"a": [], "b": 7})
    for wrong in ({"a": []}, {"a": [1], "b": 1}, {"a": [], "b": "1"}, {"a": [], "b": 1, "c": 1}):
        assert not validator.is_valid(wrong)


def test_rows_that_are_not_taken_are_said(tmp_path: Path) -> None:
    table = tmp_path / "many.csv"
    table.write_text(
        "text,label\n" + "".join(f"thing {i} of many,{'ab'[i % 2]}\n" for i in range(300)), "utf-8"
    )
    some = init(str(table), tmp_path / "tasks", Wish(sizes={"train": 50, "dev": 20, "test": 30}))
    assert "taken: 100 of 300 rows" in " ".join(some.guesses)
    everything = init(str(table), tmp_path / "tasks", Wish(name="whole"))
    assert "taken" not in " ".join(everything.guesses)


def test_of_many_rows_enough_are_drawn_from_and_every_label_is_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.tasks import pool

    monkeypatch.setattr(pool, "LARGE", 60)
    monkeypatch.setattr(pool, "TIMES", 1)
    rows = [{"text": f"t{i}", "label": "rare" if i == 333 else "ab"[i // 300]} for i in range(600)]
    made, task = make(tmp_path, rows, sizes={"train": 30, "dev": 10, "test": 20})
    assert "drawn from: 61 of 600 rows of the data, evenly spaced" in made.guesses
    assert task.format.config()["choices"] == ("a", "b", "rare")
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 30, "dev": 10, "test": 20}

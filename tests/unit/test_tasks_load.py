"""A task folder is read as its files say, whatever the kind of file."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from harness.tasks import load as loading
from harness.tasks.load import load, without_test
from harness.tasks.templates import render

ROWS = [{"text": f"word {i}", "label": "ab"[i % 2], "key": f"k{i}", "who": f"g{i % 3}"} for i in range(20)]
MAP = "map: {input: text, target: label, id: key, group: who, meta: [text]}"


def folder(root: Path, yaml: str, **files: str) -> Path:
    task = root / "demo"
    task.mkdir(exist_ok=True)
    for name, text in files.items():
        (task / name.replace("__", ".")).write_text(text, encoding="utf-8")
    (task / "task.yaml").write_text(yaml, encoding="utf-8")
    return task


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """The same rows in the kind of file that the suffix names."""
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    else:
        text = lines(rows) if path.suffix == ".jsonl" else json.dumps(rows, indent=1)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_the_kind_of_file_makes_no_difference(tmp_path: Path, suffix: str) -> None:
    task = folder(tmp_path, f"data: {{file: rows.{suffix}, {MAP}}}")
    write(task / f"rows.{suffix}", ROWS)
    loaded = load(task)
    everything = {e.id: e for part in loaded.splits.values() for e in part}
    assert {key: (e.input, e.target, e.group, e.meta) for key, e in everything.items()} == {
        row["key"]: ({"input": row["text"]}, row["label"], row["who"], {"text": row["text"]}) for row in ROWS
    }
    write(task / "same.jsonl", ROWS)
    (task / "task.yaml").write_text(f"data: {{file: same.jsonl, {MAP}}}", encoding="utf-8")
    assert load(task).data_hash == loaded.data_hash


def test_a_quoted_cell_keeps_its_newline_and_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    text = '\ufefftext,label\r\n"two\nlines, one cell",a\r\nplain,b\r\n'
    task = folder(tmp_path, "data: {test: t.csv, map: {input: text, target: label}}", t__csv=text)
    assert [e.input["input"] for e in load(task).splits["test"]] == ["two\nlines, one cell", "plain"]


def test_latin_1_is_read_when_it_is_named(tmp_path: Path) -> None:
    task = folder(tmp_path, "data: {test: t.jsonl, encoding: latin-1}")
    (task / "t.jsonl").write_bytes('{"input": "café", "target": "x"}\n'.encode("latin-1"))
    assert load(task).splits["test"][0].input == {"input": "café"}


def test_a_line_separator_inside_a_string_does_not_end_a_jsonl_row(tmp_path: Path) -> None:
    row = '{"input": "one\u2028two", "target": "x"}\n'
    task = folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=row)
    assert load(task).splits["test"][0].input == {"input": "one\u2028two"}


def test_a_local_data_set_is_read_as_a_hub_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["p", "q"], "label": [1, 0]}, features=features)
    asked: list[tuple[str, str]] = []

    def fake(name: str, config: str | None, *, split: str, revision: str | None) -> Any:
        assert (config, revision) == (None, "abc")
        asked.append((name, split))
        return rows

    monkeypatch.setattr(datasets, "load_dataset", fake)
    own = SimpleNamespace(data_files={"train": ["hf://datasets/some/thing@abc/train.parquet"]})
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *a, **k: SimpleNamespace(config=own))
    task = folder(
        tmp_path,
        "data: {hf: some/thing, revision: abc, train: train, test: test, map: {input: text, target: label}}",
    )
    loaded = load(task)
    assert [(e.id, e.target) for e in loaded.splits["test"]] == [("test-1", "yes"), ("test-2", "no")]
    assert asked == [("some/thing", "train"), ("some/thing", "test")]


def test_columns_can_be_named_combined_and_reached_into(tmp_path: Path) -> None:
    rows = [{"q": "why", "ctx": {"a": [{"b": "deep"}]}, "x": 1, "y": 2, "docs": "d1"}]
    mapping = "input: {question: q, context: ctx.a.0.b}, target: {first: x, second: y}, context_ids: docs"
    yaml = (
        f"data: {{test: t.jsonl, map: {{{mapping}}}}}\n"
        "format: {kind: json_schema, schema: s.json}\ncorpus: c.jsonl"
    )
    task = folder(
        tmp_path, yaml, t__jsonl=lines(rows), s__json="{}", c__jsonl='{"id": "d1", "text": "T", "title": "H"}'
    )
    loaded = load(task)
    (example,) = loaded.splits["test"]
    assert example.input == {"question": "why", "context": "deep"}
    assert example.target == {"first": 1, "second": 2}
    assert example.context_ids == ("d1",)
    assert render(loaded.input, example.input) == "question: why\ncontext: deep"
    assert [(d.id, d.text, d.title) for d in loaded.corpus] == [("d1", "T", "H")]


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": "2+2"},
    {"role": "assistant", "content": "4"},
]


@pytest.mark.parametrize(
    ("row", "fields", "target"),
    [
        ({"input": "a", "target": "b"}, {"input": "a"}, "b"),
        ({"input": {"x": "a", "y": 1}, "target": "b"}, {"x": "a", "y": 1}, "b"),
        ({"prompt": "a", "completion": "b"}, {"input": "a"}, "b"),
        ({"prompt": CONVERSATION[1:2], "completion": CONVERSATION[2:3]}, {"input": "Hi"}, "Yes?"),
        ({"messages": CONVERSATION[:3]}, {"system": "Be brief.", "input": "Hi"}, "Yes?"),
        ({"messages": CONVERSATION[1:]}, {"input": "2+2"}, "4"),
        ({"prompt": "a", "chosen": "b", "rejected": "c"}, {"input": "a"}, "b"),
        ({"chosen": CONVERSATION[1:3], "rejected": CONVERSATION[1:3]}, {"input": "Hi"}, "Yes?"),
    ],
)
def test_layouts_are_recognised(tmp_path: Path, row: dict[str, Any], fields: Any, target: str) -> None:
    (example,) = load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines([row]))).splits["test"]
    assert (example.input, example.target) == (fields, target)
    if "rejected" in row:
        assert example.meta == {"rejected": "c" if row["rejected"] == "c" else "Yes?"}


def test_what_was_recognised_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines([{"prompt": "a", "completion": "b"}])))
    assert "t.jsonl: detected rows of prompt/completion" in caplog.text
    caplog.clear()
    load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines([{"input": "a", "target": "b"}])))
    assert not caplog.records


def test_a_system_message_is_the_default_of_the_instructions(tmp_path: Path) -> None:
    rows = [{"messages": CONVERSATION[:3]}, {"messages": CONVERSATION[1:3]}]
    task = load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines(rows)))
    shown = [(render(task.instructions, e.input), render(task.input, e.input)) for e in task.splits["test"]]
    assert shown == [("Be brief.", "Hi"), ("", "Hi")]


def test_a_field_that_some_rows_lack_is_left_out_there(tmp_path: Path) -> None:
    rows = [{"input": {"a": 1, "b": 2}, "target": "x"}, {"input": {"b": None}, "target": "x"}]
    task = load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines(rows)))
    assert [render(task.input, e.input) for e in task.splits["test"]] == ["a: 1\nb: 2", "b:"]


def test_other_columns_are_carried_along(tmp_path: Path) -> None:
    rows = [{"input": "a", "target": "b", "source": "wiki", "meta": {"n": 1}}]
    task = load(folder(tmp_path, "data: {test: t.jsonl}", t__jsonl=lines(rows)))
    assert task.splits["test"][0].meta == {"n": 1, "source": "wiki"}


def test_text_targets_become_values_of_the_format(tmp_path: Path) -> None:
    rows = [{"input": "a", "target": '{"n": 1}'}, {"input": "b", "target": {"n": 2}}]
    yaml = "data: {test: t.jsonl}\nformat: {kind: json_schema, schema: s.json}"
    schema = '{"type": "object", "required": ["n"]}'
    task = load(folder(tmp_path, yaml, t__jsonl=lines(rows), s__json=schema))
    assert [e.target for e in task.splits["test"]] == [{"n": 1}, {"n": 2}]


def test_a_label_is_written_as_the_list_of_choices_writes_it(tmp_path: Path) -> None:
    yaml = "data: {test: t.jsonl}\nformat: {kind: choice, choices: [Yes, 'No']}"
    rows = [{"input": "a", "target": "yes"}, {"input": "b", "target": " No"}]
    task = load(folder(tmp_path, yaml.replace("Yes", "'Yes'"), t__jsonl=lines(rows)))
    assert [e.target for e in task.splits["test"]] == ["Yes", "No"]


def test_splits_are_cut_from_one_file(tmp_path: Path) -> None:
    yaml = (
        f"data: {{file: r.jsonl, split: {{dev: 3, test: 0.25, seed: 7}}, {MAP.replace('group: who, ', '')}}}"
    )
    task = load(folder(tmp_path, yaml, r__jsonl=lines(ROWS)))
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 12, "dev": 3, "test": 5}
    ids = [e.id for part in task.splits.values() for e in part]
    assert sorted(ids) == sorted(row["key"] for row in ROWS)


def test_dev_can_be_cut_from_train_beside_a_test_file(tmp_path: Path) -> None:
    yaml = "data: {train: r.jsonl, test: t.jsonl, split: {dev: 0.2}}"
    rows = [{"input": row["text"], "target": row["label"]} for row in ROWS]
    task = load(folder(tmp_path, yaml, r__jsonl=lines(rows), t__jsonl=lines(rows[:4])))
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 16, "dev": 4, "test": 4}
    assert task.splits["test"][0].id == "test-1"


def test_a_corpus_of_files_has_names_and_headings(tmp_path: Path) -> None:
    task = folder(
        tmp_path, "data: {test: t.jsonl}\ncorpus: docs", t__jsonl=lines([{"input": "a", "target": "b"}])
    )
    (task / "docs" / "inner").mkdir(parents=True)
    (task / "docs" / "two.md").write_text("intro\n\n## The heading ##\n\ntext\n", encoding="utf-8")
    (task / "docs" / "inner" / "one.txt").write_text("just text", encoding="utf-8")
    (task / "docs" / "picture.png").write_bytes(b"\x89PNG")
    result = {(d.id, d.title) for d in load(task).corpus}
    assert result == {("one", ""), ("two", "The heading")}


def test_the_shared_fixture_loads(tiny_task: Path) -> None:
    task = load(tiny_task)
    assert (task.name, task.version, task.primary, task.max_new_tokens) == ("colours", 1, "exact", 6)
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 12, "dev": 6, "test": 8}
    assert task.corpus[0].title == "Thing 0"
    assert task.input == "{{ input }}"


def test_a_search_gets_no_test_rows(tiny_task: Path) -> None:
    task = load(tiny_task)
    assert set(without_test(task).splits) == {"train", "dev"}
    assert "id='test-0'" in repr(task)
    assert "id='test-0'" not in repr(without_test(task))


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("task.yaml", "Say the colour", "Name the colour", True),
        ("task.yaml", "max_new_tokens: 6", "max_new_tokens: 7", True),
        ("task.yaml", "red, green, blue", "red, green, blue, pink", True),
        ("test.jsonl", "thing test 0", "thing test 9", True),
        ("train.jsonl", '"train-0"', '"train-x"', True),
        ("corpus/d3.md", "Thing 3", "Thing three", True),
        ("task.yaml", "version: 1", "version: 1  # a comment", False),
        ("task.yaml", "name: colours", "name: colors\nlicence: mine\nmargin: 0.1", False),
        ("dev.jsonl", '{"id": "dev-0"', '{  "id": "dev-0"', False),
    ],
)
def test_the_hash_holds_what_decides_a_result(
    tiny_task: Path, file: str, old: str, new: str, changes: bool
) -> None:
    before = load(tiny_task).data_hash
    text = (tiny_task / file).read_text(encoding="utf-8")
    assert old in text
    (tiny_task / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert (load(tiny_task).data_hash != before) is changes


def test_names_are_found_here_first(tiny_task: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    shipped.mkdir()
    (here / "tasks").mkdir(parents=True)
    tiny_task.rename(shipped / "colours")
    monkeypatch.setattr(loading, "FOLDER", shipped)
    monkeypatch.chdir(here)
    assert load("colours").folder == shipped / "colours"
    (here / "tasks" / "colours").mkdir()
    (here / "tasks" / "colours" / "r.jsonl").write_text(
        lines([{"input": "a", "target": "b"}]), encoding="utf-8"
    )
    (here / "tasks" / "colours" / "task.yaml").write_text("data: {test: r.jsonl}", encoding="utf-8")
    assert load("colours").folder == Path("tasks/colours")
    assert load(shipped / "colours" / "task.yaml").name == load(str(shipped / "colours")).name == "colours"

"""Bad input ends in one line that names the place, the value and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import ConfigError
from harness.tasks.load import load

GOOD = '{"input": "a", "target": "b"}\n'
CHOICE = "data: {test: t.jsonl}\nformat: {kind: choice, choices: [b, c]}\n"

CASES = {
    "not yaml": ("name: [x\n", GOOD, "task.yaml:2: not YAML"),
    "no mapping": ("- x\n", GOOD, "task.yaml: must be a mapping"),
    "no data": ("name: x\n", GOOD, "task.yaml: 'data' is missing"),
    "unknown key": (
        "name: x\ndat: {test: t.jsonl}\n",
        GOOD,
        "task.yaml:2: unknown key 'dat' — did you mean 'data'?",
    ),
    "unknown inner key": (
        "data:\n  test: t.jsonl\n  spilt: {dev: 1}\n",
        GOOD,
        "task.yaml:3: unknown key 'data.spilt' — did you mean 'split'?",
    ),
    "wrong value": ("margin: big\ndata: {test: t.jsonl}\n", GOOD, "task.yaml:1: margin: .*got 'big'"),
    "bad share": (
        "data:\n  file: t.jsonl\n  split:\n    dev: 1.5\n",
        GOOD,
        "task.yaml:4: data.split.dev: .*got 1.5",
    ),
    "scorer without kind": (
        "data: {test: t.jsonl}\nscorers:\n- exact\n- {}\n",
        GOOD,
        "task.yaml:4: 'scorers.1.kind'",
    ),
    "two sources": (
        "data: {file: t.jsonl, test: t.jsonl}\n",
        GOOD,
        "task.yaml:1: data: 'file' is for everything",
    ),
    "no rows named": ("data: {}\n", GOOD, "task.yaml:1: data: names no rows"),
    "no test": ("data: {train: t.jsonl}\n", GOOD, "task.yaml:1: the task has no test rows — .*test: 0.2"),
    "split twice": (
        "data: {train: t.jsonl, test: t.jsonl, split: {test: 1}}\n",
        GOOD,
        "task.yaml:1: data has a test split already",
    ),
    "too few rows": (
        "data: {file: t.jsonl}\n",
        GOOD,
        "task.yaml:1: 1 row is too few: train, dev and test need at least 3",
    ),
    "unknown format": (
        "data: {test: t.jsonl}\nformat: choise\n",
        GOOD,
        "task.yaml:2: unknown format 'choise' — did you mean 'choice'",
    ),
    "unknown scorer": (
        "data: {test: t.jsonl}\nscorers: [exakt]\n",
        GOOD,
        "task.yaml:2: unknown scorer 'exakt' — did you mean 'exact'",
    ),
    "scorer twice": (
        "data: {test: t.jsonl}\nscorers: [f1, f1]\n",
        GOOD,
        "task.yaml:2: a scorer is named twice",
    ),
    "primary": (
        "data: {test: t.jsonl}\nscorers: [exact]\nprimary: exacd\n",
        GOOD,
        "task.yaml:3: primary 'exacd' is not among the scorers — did you mean 'exact'",
    ),
    "no schema file": (
        "data: {test: t.jsonl}\nformat: {kind: json_schema, schema: none.json}\n",
        GOOD,
        "none.json: no such file",
    ),
    "no corpus": ("data: {test: t.jsonl}\ncorpus: docs/\n", GOOD, "docs: no such corpus"),
    "no data file": ("data: {test: tt.jsonl}\n", GOOD, "tt.jsonl: no such file — did you mean 't.jsonl'"),
    "kind of file": ("data: {test: t.png}\n", GOOD, "cannot read '.png' files — known: .*parquet"),
    "empty split": ("data: {test: t.jsonl}\n", "\n", "t.jsonl: the test split is empty"),
    "broken row": ("data: {test: t.jsonl}\n", GOOD + '{"input": \n', "t.jsonl:2: broken JSON"),
    "row is no object": (
        "data: {test: t.jsonl}\n",
        GOOD + "[1]\n",
        "t.jsonl:2: a row must be an object, this is list",
    ),
    "no columns": (
        "data: {test: t.jsonl}\n",
        '{"question": "a", "label": "b"}\n',
        "t.jsonl:1: no column 'input' — known: label, question; .*map:",
    ),
    "mapped column": (
        "data: {test: t.jsonl, map: {input: quetion, target: label}}\n",
        '{"question": "a", "label": "b"}\n',
        "t.jsonl:1: no column 'quetion' — did you mean 'question'",
    ),
    "typo in a row": (
        "data: {test: t.jsonl}\n",
        '{"input": "a", "target": "b", "context_id": ["c"]}\n',
        "t.jsonl:1: unknown key 'context_id' — did you mean 'context_ids'",
    ),
    "empty target": (
        "data: {test: t.jsonl}\n",
        GOOD + '{"input": "a", "target": ""}\n',
        "t.jsonl:2: the target is empty",
    ),
    "empty input": (
        "data: {test: t.jsonl}\n",
        '{"input": null, "target": "b"}\n',
        "t.jsonl:1: the input is empty",
    ),
    "field name": (
        "data: {test: t.jsonl}\n",
        '{"input": {"my col": 1}, "target": "b"}\n',
        "t.jsonl:1: input field 'my col' cannot be a name",
    ),
    "duplicate id": (
        "data: {test: t.jsonl}\n",
        '{"id": 1, "input": "a", "target": "b"}\n' * 2,
        "t.jsonl:2: duplicate id '1', first at .*t.jsonl:1",
    ),
    "target": (
        CHOICE,
        GOOD + '{"input": "a", "target": "x"}\n',
        "t.jsonl:2: target fails the task's format: .*'x'",
    ),
    "unfinished conversation": (
        "data: {test: t.jsonl}\n",
        '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}\n',
        "t.jsonl:1: the last message is from 'user'",
    ),
    "unknown field": (
        "data: {test: t.jsonl}\ninput: '{{ inptu }}'\n",
        GOOD,
        "task.yaml:2: input: .*'inptu' is undefined — did you mean 'input'",
    ),
    "template syntax": (
        "data: {test: t.jsonl}\ninstructions: '{{ a'\n",
        GOOD,
        "task.yaml:2: instructions: template line 1",
    ),
    "sandbox": (
        "data: {test: t.jsonl}\ninstructions: '{{ input.__class__.__mro__ }}'\n",
        GOOD,
        "task.yaml:2: instructions: template: SecurityError",
    ),
    "unknown encoding": (
        "data: {test: t.jsonl, encoding: utf-9}\n",
        GOOD,
        "t.jsonl: unknown encoding 'utf-9'",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_where_and_how(tmp_path: Path, case: str) -> None:
    yaml, rows, message = CASES[case]
    (tmp_path / "task.yaml").write_text(yaml, encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(rows, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_latin_1_is_named_with_its_byte_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("data: {test: t.jsonl}", encoding="utf-8")
    (tmp_path / "t.jsonl").write_bytes((GOOD + '{"input": "café", "target": "x"}').encode("latin-1"))
    with pytest.raises(
        ConfigError, match=r"t\.jsonl:2: not UTF-8 \(byte 0xe9 at offset 44\).*iconv.*latin-1"
    ) as caught:
        load(tmp_path)
    assert (tmp_path / "t.jsonl").read_bytes()[44] == 0xE9
    assert caught.value.line == 2


def test_a_broken_element_of_a_json_list_has_its_own_line(tmp_path: Path) -> None:
    rows = [{"input": "a]\n[", "target": "b"}, {"input": {"x": [1, [2]]}, "target": ""}]
    (tmp_path / "task.yaml").write_text("data: {test: t.json}", encoding="utf-8")
    text = json.dumps(rows, indent=2)
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    line = next(i for i, part in enumerate(text.split("\n"), start=1) if part == "  {" and i > 2)
    with pytest.raises(ConfigError, match=rf"t\.json:{line}: the target is empty"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,2,3\n", r"t\.csv:3: 3 cells under 2 columns"),
        ('a,b\n"x\ny",2\n1\n', r"t\.csv:4: 1 cell under 2 columns"),
        ("a,a\n1,2\n", r"t\.csv:1: column 'a' appears twice"),
        ("a,\n1,2\n", r"t\.csv:1: a column has no name"),
        ("a,b\n1,\n", r"t\.csv:2: the target is empty"),
    ],
)
def test_csv_faults_have_lines(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "task.yaml").write_text("data: {test: t.csv, map: {input: a, target: b}}", encoding="utf-8")
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", '{"type": "objekt"}', r"a\.json: not a JSON Schema"),
        ("a.json", '{"type": ', r"a\.json:1: broken JSON"),
        ("a.json", "true", r"a\.json: a schema must be an object"),
    ],
)
def test_a_schema_is_checked(tmp_path: Path, name: str, content: str, message: str) -> None:
    yaml = f"data: {{test: t.jsonl}}\nformat: {{kind: json_schema, schema: {name}}}"
    (tmp_path / "task.yaml").write_text(yaml, encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(GOOD, encoding="utf-8")
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load(tmp_path)


def test_two_documents_with_one_id(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("data: {test: t.jsonl}\ncorpus: docs", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(GOOD, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    with pytest.raises(ConfigError, match="the corpus is empty"):
        load(tmp_path)
    (tmp_path / "docs" / "a.md").write_text("x", encoding="utf-8")
    (tmp_path / "docs" / "a.txt").write_text("y", encoding="utf-8")
    with pytest.raises(ConfigError, match="two documents have the id 'a'"):
        load(tmp_path)


def test_an_unknown_task_is_told_the_nearest(
    tmp_path: Path, tiny_task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    tiny_task.rename(tmp_path / "tasks" / "colours")
    with pytest.raises(ConfigError, match="unknown task 'colors' — did you mean 'colours'"):
        load("colors")
    with pytest.raises(ConfigError, match=r"no task\.yaml in this folder"):
        load(tmp_path / "tasks")
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        load("none.yaml")

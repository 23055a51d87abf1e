"""The published JSON Schema is that of the code, and editors agree with the loader; the docs are true."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness.core.errors import ConfigError
from harness.tasks import task_file
from harness.tasks.load import load

DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"


def test_the_published_schema_is_current() -> None:
    written = json.loads(task_file.SCHEMA.read_text(encoding="utf-8"))
    assert written == task_file.json_schema(), "run: python -m harness.tasks.task_file"
    jsonschema.Draft202012Validator.check_schema(written)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("data: {test: t.jsonl}", True),
        (
            "data: {file: t.csv, split: {dev: 10, test: 0.2, seed: 3}, map: {input: [a, b], target: {x: c}}}",
            True,
        ),
        ("data: {hf: a/b, config: c, revision: d, train: train}\nformat: {kind: choice, choices: [a]}", True),
        ("data: {test: t.jsonl}\nscorers: [exact, {kind: f1, anything: 1}]\ngate: {exact: 0.5}", True),
        ("data: {test: t.jsonl}\ngate: {primary: 0.02, benchmarks: {arc: 0.03}, must_pass: [a]}", True),
        ("data: {test: t.jsonl}\ngate: {primary: 2}", False),
        ("data: {test: t.jsonl}\ngate: {exact: a lot}", False),
        ("data: {test: t.jsonl}\ngate: {forgetting: {piqa: -0.1}}", False),
        ("data: {test: t.jsonl}\ngate: {must_pass: test-1}", False),
        ("data: {test: t.jsonl}\nnmae: x", False),
        ("data: {test: t.jsonl}\nmax_new_tokens: 0", False),
        ("data: {test: t.jsonl}\nformat: {choices: [a]}", False),
        ("data: {test: t.jsonl, map: {input: a}}", False),
        ("name: x", False),
    ],
)
def test_an_editor_and_the_loader_agree(tmp_path: Path, text: str, good: bool) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(text, encoding="utf-8")
    assert jsonschema.Draft202012Validator(task_file.json_schema()).is_valid(yaml.safe_load(text)) is good
    if good:
        assert task_file.read(path).data
    else:
        with pytest.raises(ConfigError):
            task_file.read(path)


def _keys(schema: dict[str, Any]) -> set[str]:
    return {key for part in (schema, *schema["$defs"].values()) for key in part["properties"]}


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", DOCS.read_text(encoding="utf-8")))
    assert _keys(task_file.json_schema()) <= documented


def test_the_worked_example_of_the_docs_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"```\w+ title=\"(.+?)\"\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert {"task.yaml", "train.jsonl", "test.jsonl", "schema.json"} <= {name for name, _ in blocks}
    for name, text in blocks:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    task = load(tmp_path)
    assert {split: len(part) for split, part in task.splits.items()} == {"train": 2, "dev": 0, "test": 1}
    assert task.corpus[0].title == "Returns"

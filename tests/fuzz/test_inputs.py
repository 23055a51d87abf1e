"""Rubbish in every file that a person writes: a ConfigError with its place, never a traceback or a hang."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import Task
from harness.core.recipes import from_config
from harness.runner.executor_choice import executor
from harness.runner.experiment import from_file
from harness.tasks import sources
from harness.tasks.load import load
from tests.fuzz.kit import damaged, fuzz, mutated, rubbish, written

pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")

ROWS = [
    {"id": str(i), "input": f"thing {i}", "target": ["red", "blue"][i % 2], "group": f"g{i}"}
    for i in range(8)
]
TASK = {
    "name": "colours",
    "version": 1,
    "instructions": "Say the colour of {{ input }}.",
    "input": "{{ input }}",
    "data": {
        "train": "rows.jsonl",
        "test": "test.jsonl",
        "split": {"dev": 0.2, "seed": 1},
        "map": {"input": ["input"], "target": "target", "id": "id", "group": "group", "meta": ["group"]},
    },
    "format": {"kind": "choice", "choices": ["red", "blue"]},
    "scorers": [{"kind": "exact"}, {"kind": "contains"}],
    "primary": "exact",
    "corpus": "corpus.jsonl",
    "max_new_tokens": 6,
    "margin": 0.02,
}
RECIPE = {
    "about": "x",
    "data": {"kind": "train", "limit": 3},
    "base": {"kind": "nf4"},
    "weights": [{"kind": "lora", "lora_r": 8, "learning_rate": 2e-4, "target_modules": "all-linear"}],
    "program": {"kind": "rag", "k": 3, "retriever": {"kind": "bm25", "k1": 1.2}},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": True},
        "n": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["a", "b"]}},
}
EXPERIMENT = {
    "name": "e",
    "task": ["colours"],
    "model": "tiny",
    "recipes": ["lora", {"extends": "full"}],
    "seeds": 2,
}


def _folder(folder: Path, task: bytes, rows: bytes) -> Task | None:
    (folder / "task.yaml").write_bytes(task)
    (folder / "rows.jsonl").write_bytes(rows)
    (folder / "test.jsonl").write_text(
        "".join(json.dumps(r | {"id": "t" + r["id"], "input": "t" + r["input"]}) + "\n" for r in ROWS)
    )
    (folder / "corpus.jsonl").write_text('{"id": "d", "text": "red is a colour"}\n')
    with contextlib.suppress(ConfigError):
        return load(folder)
    return None


def _lines(rows: Any) -> bytes:
    return b"".join(written(row) + b"\n" for row in rows) if isinstance(rows, list) else written(rows)


def test_the_undamaged_files_are_fine(tmp_path: Path) -> None:
    """Otherwise everything below would be refused for the same dull reason."""
    task = _folder(tmp_path, yaml.safe_dump(TASK).encode(), _lines(ROWS))
    assert task is not None
    assert [len(task.splits[name]) for name in ("train", "dev", "test")] == [6, 2, 8]
    from_config(RECIPE, name="r")
    build("formats", {"kind": "json_schema", "schema": SCHEMA})


@fuzz(60, value=mutated(TASK))
def test_task_files(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        task = _folder(Path(folder), written(value), _lines(ROWS))
        assert task is None or all(part not in task.name for part in ("/", "\\", "\x00"))


@fuzz(40, raw=damaged(yaml.safe_dump(TASK).encode()))
def test_task_files_of_broken_yaml(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _folder(Path(folder), raw, _lines(ROWS))


@fuzz(40, rows=mutated(ROWS))
def test_rows(rows: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _folder(Path(folder), yaml.safe_dump(TASK).encode(), _lines(rows))


@fuzz(
    80,
    raw=damaged(_lines(ROWS))
    | damaged(b'id,input,target\n1,a,red\n2,"b\nc",blue\n')
    | st.binary(max_size=60),
    suffix=st.sampled_from(sorted(sources.READERS)),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16", "cp037", "nonsense", "idna", "zlib", "\x00"]),
)
def test_data_files(raw: bytes, suffix: str, encoding: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"data{suffix}"
        file.write_bytes(raw)
        with contextlib.suppress(ConfigError):
            sources.read(file, encoding)


@fuzz(100, value=mutated(RECIPE))
def test_recipes(value: Any) -> None:
    if isinstance(value, dict):
        with contextlib.suppress(ConfigError):
            from_config(value, name="fuzzed").identity()


@fuzz(60, value=mutated(EXPERIMENT))
def test_experiment_files(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "e.yaml"
        file.write_bytes(written(value))
        with contextlib.suppress(ConfigError):
            from_file(file)


@fuzz(60, schema=mutated(SCHEMA), answer=mutated({"name": "a", "tags": ["a"], "n": 1}))
def test_schemas(schema: Any, answer: Any) -> None:
    try:
        form = build("formats", {"kind": "json_schema", "schema": schema})
    except ConfigError:
        return
    form.read(json.dumps(answer))
    form.constraint()


@fuzz(60, text=st.text(max_size=30) | rubbish.map(str))
def test_executor_specs(text: str) -> None:
    with contextlib.suppress(ConfigError):
        executor(text)


FORMATS = [
    {"kind": "json_schema", "schema": SCHEMA},
    {"kind": "yaml", "schema": SCHEMA},
    {"kind": "yaml"},
    {"kind": "choice", "choices": ["red", "dark red"]},
    {"kind": "number"},
    {"kind": "regex", "pattern": "(a+)+b|(?P<h>[0-9]+)", "template": "{h}"},
    {"kind": "sql"},
    {"kind": "text"},
]
PIECES = [
    '{"name": "a"}', "[", "{", "]", "}", '"', "\\", ",", ":", "- ", "&a ", "*a", "!!python/object:os.system ", "<<: ",
    "```json\n", "```", "\n", " ", "a" * 40, "1e999", "-", "NaN", "½", "١", "select ", "(", ")", "from t ",
    "where ", "1", "red", "\ud800", "\x00", "'", "--", "/*", "case when ",
]  # fmt: skip


@fuzz(
    150,
    spec=st.sampled_from(FORMATS),
    text=st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=30).map("".join)
    | st.builds(lambda piece, count: piece * count, st.sampled_from(PIECES), st.integers(1, 3000)),
)
def test_completions(spec: dict[str, Any], text: str) -> None:
    """Whatever a model says is read, strictly and after extraction, in bounded time."""
    reading = build("formats", spec).read(text)
    json.dumps(getattr(reading.extracted, "value", None), allow_nan=False).encode()


TEMPLATES = [
    "{{ a }}",
    "{% for i in range(9) %}{{ a }}{% endfor %}",
    "{{ a | upper }}",
    "{{ a.b.c }}",
    "{{ 'x' * n }}",
]


@fuzz(60, source=st.sampled_from(TEMPLATES).flatmap(lambda t: damaged(t.encode())), value=rubbish)
def test_templates(source: bytes, value: Any) -> None:
    from harness.tasks.templates import render

    with contextlib.suppress(ConfigError):
        render(source.decode("utf-8", "replace"), {"a": value, "n": 3})

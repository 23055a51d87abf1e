"""Files from strangers and answers from models: bounded, refused, and never run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.recipes import read_yaml
from harness.core.values import Invalid, Message, Parsed, Request
from harness.engines.answer_cache import CachedEngine
from harness.engines.fake import FakeEngine
from harness.models.source import resolve
from harness.runner.environment import command, safe
from harness.tasks.formats import _schema
from harness.tasks.load import load
from harness.tasks.templates import render


def _doubling(levels: int) -> dict[str, Any]:
    """Each level refers twice to the next: 2 ** levels checks of one number."""
    defs: dict[str, Any] = {
        f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]}
        for i in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": defs | {f"a{levels}": {"type": "integer"}}}


def test_an_exponential_schema_is_given_up() -> None:
    assert _schema.check(1, _doubling(6)) == Parsed(1)
    result = _schema.check(1, _doubling(40))
    assert isinstance(result, Invalid)
    assert "references" in result.reason


def test_a_schema_that_refers_to_itself_for_ever_is_given_up() -> None:
    assert isinstance(_schema.check(1, {"$ref": "#"}), Invalid)


def test_a_recursive_schema_is_fine() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert isinstance(_schema.check({"left": {"left": {}}, "right": {}}, tree), Parsed)
    assert isinstance(_schema.check({"left": {"left": 1}}, tree), Invalid)


EVIL = "^(?:(?:a|aa)+|b)*$"
LONG = "a" * 60 + "c"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": EVIL}, LONG),
        ({"patternProperties": {EVIL: False}}, {LONG: 1}),
        ({"additionalProperties": False, "patternProperties": {EVIL: True}}, {LONG: 1}),
        ({"propertyNames": {"pattern": EVIL}}, {LONG: 1}),
    ],
)
def test_a_pattern_that_backtracks_is_given_up(schema: dict[str, Any], value: Any) -> None:
    result = _schema.check(value, schema)
    assert result == Invalid("the schema cannot be checked: a pattern took longer than 0.5 s")


def test_patterns_that_cannot_be_bounded_are_refused() -> None:
    schema = {"unevaluatedProperties": False, "anyOf": [{"patternProperties": {EVIL: True}}]}
    with pytest.raises(ConfigError, match="beside unevaluatedProperties is refused"):
        build("formats", {"kind": "json_schema", "schema": schema})


@pytest.mark.parametrize(
    "reference", ["http://example.com/s.json", "file:///etc/passwd", "other.json", "//example.com/x"]
)
def test_a_reference_to_another_document_is_refused(reference: str) -> None:
    for name in ("$ref", "$dynamicRef"):
        with pytest.raises(ConfigError, match=f"remote {re.escape(name)}"):
            build("formats", {"kind": "json_schema", "schema": {"properties": {"a": {name: reference}}}})


def test_a_deep_or_a_huge_schema_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"not": deep}
    for schema in (deep, {"enum": list(range(30_000))}):
        with pytest.raises(ConfigError, match="is refused"):
            build("formats", {"kind": "json_schema", "schema": schema})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab1", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
SCHEMA = {
    "type": ["object", "array", "string"],
    "properties": {"a": {"$ref": "#/$defs/n"}},
    "patternProperties": {"^b": {"type": "string", "pattern": "^[ab]*$"}},
    "items": {"$ref": "#"},
    "$defs": {"n": {"type": "integer"}},
}


@pytest.mark.parametrize("extra", [True, False, {"enum": [1, "a"]}])
@settings(deadline=None, max_examples=100)
@given(value=VALUES)
def test_bounded_checks_agree_with_jsonschema(extra: Any, value: Any) -> None:
    """The library without our bounds is the oracle."""
    schema = SCHEMA | {"additionalProperties": extra}
    plain = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert isinstance(_schema.check(value, schema), Parsed) == plain


def test_a_yaml_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    bomb = tmp_path / "bomb.yaml"
    bomb.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="aliases") as raised:
        read_yaml(bomb)
    assert raised.value.line == 16  # which holds 2¹⁷ - 1 values
    endless = tmp_path / "endless.yaml"
    endless.write_text("a: &a [*a]\n")
    with pytest.raises(ConfigError, match="aliases"):
        read_yaml(endless)
    fine = tmp_path / "fine.yaml"
    fine.write_text("a: &a {x: 1}\n" + "".join(f"b{i}: *a\n" for i in range(50)))
    assert read_yaml(fine)["b49"] == {"x": 1}


def test_yaml_cannot_make_python_objects(tmp_path: Path) -> None:
    file = tmp_path / "evil.yaml"
    file.write_text(f"a: !!python/object/apply:pathlib.Path.touch [{tmp_path / 'ran'}]\n")
    with pytest.raises(ConfigError, match="not YAML"):
        read_yaml(file)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ input.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ range(10000000) | list }}",
        "{{ 'x' * 1000000000 }}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}",
    ],
)
def test_templates_are_held_in_the_sandbox(source: str) -> None:
    with pytest.raises(ConfigError, match="template"):
        render(source, {"input": "x"})


def test_a_task_cannot_name_itself_out_of_its_folder(tiny_task: Path) -> None:
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("name: colours", "name: ../../colours"))
    with pytest.raises(ConfigError, match="name"):
        load(tiny_task)


@pytest.mark.parametrize("folder", ["../outside.jsonl", "/etc/hostname.jsonl", "link.jsonl"])
def test_a_task_reads_no_file_outside_its_folder(tiny_task: Path, folder: str) -> None:
    outside = tiny_task.parent / "outside.jsonl"
    outside.write_text((tiny_task / "test.jsonl").read_text())
    (tiny_task / "link.jsonl").symlink_to(outside)
    file = tiny_task / "task.yaml"
    file.write_text(file.read_text().replace("test: test.jsonl", f"test: {folder}"))
    with pytest.raises(ConfigError, match="outside the task's folder"):
        load(tiny_task)


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ConfigError, match="safetensors"):
        resolve(str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "openai:m@http://user:s3cret@host/v1"],
        ["--api-key", "s3cret"],
        ["--api-key=s3cret"],
        ["--storage", "postgresql://me:s3cret@host/db"],
        ["OPENAI_API_KEY=s3cret"],
        ["--model", "openai:m@https://host/v1?token=s3cret"],
    ],
)
def test_secrets_of_the_command_line_are_not_recorded(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["harness", "run", "task", *words])
    assert "s3cret" not in command()
    assert "harness run task" in command()


def test_what_is_no_secret_stays() -> None:
    words = ["run", "tickets", "--model", "openai:m@http://host/v1#budget_tokens=5", "--set", "program.k=2"]
    assert safe(words) == words


def test_a_remembered_answer_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two"
    folder.mkdir(parents=True)
    engine = CachedEngine(FakeEngine("red"), folder, "../../outside")
    asked = [Request(id="0", messages=(Message("user", "Which colour?"),), max_new_tokens=4)]
    assert [answer.cached for _, answer in engine.generate(asked)] == [False]
    assert [answer.cached for _, answer in engine.generate(asked)] == [True]
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert written.parent == folder

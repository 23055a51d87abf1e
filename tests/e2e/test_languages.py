"""Schemas of every kind through `validate`, `run`, `diagnose`: a language, a reason, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server_kit import Server, completion
from tests.e2e.strangers_kit import harness


def task(folder: Path, schema: dict[str, Any], targets: list[Any], form: str = "json_schema") -> str:
    """A task folder of 10 rows a split with the targets in turn; its path."""
    folder.mkdir()
    for split in ("train", "dev", "test"):
        rows = [
            {"id": f"{split}-{n}", "input": f"{split} text {n}", "target": targets[n % len(targets)]}
            for n in range(10)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "schema.json").write_text(json.dumps(schema))
    written = f"{{kind: {form}, schema: schema.json}}" if schema else f"{{kind: {form}}}"
    (folder / "task.yaml").write_text(
        f"name: {folder.name}\ndata: {{train: train.jsonl, dev: dev.jsonl, test: test.jsonl}}\nformat: {written}\n"
        "scorers: [{kind: exact}]\nmax_new_tokens: 12\n"
    )
    return str(folder)


def run(path: str, *words: str, code: int = 0) -> str:
    return harness("run", path, "--model", "tiny", "--limit", "4", *words, code=code)


def records() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(Path("results/runs").glob("*/run.json"))]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


UNIQUE = {"type": "object", "properties": {"tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True, "maxItems": 2}}, "required": ["tags"], "additionalProperties": False}  # fmt: skip


def test_what_is_not_enforced_is_said_by_validate_and_stands_in_the_record(tmp_path: Path) -> None:
    path = task(tmp_path / "tags", UNIQUE, [{"tags": ["a"]}, {"tags": ["a", "b"]}])
    assert "not enforced while writing: uniqueItems; still validated" in " ".join(
        harness("validate", path).split()
    )
    assert "still validated" in " ".join(run(path, "--recipes", "constrained").split())
    (record,) = records()
    assert record["answer"]["notes"] == ["not enforced while writing: uniqueItems; still validated"]
    assert record["status"] == "done"


def test_a_format_whose_language_cannot_be_compiled_is_one_failed_cell_with_its_reason(
    tmp_path: Path,
) -> None:
    path = task(tmp_path / "twice", {}, ["aa", "bb"], form=r"regex, pattern: '^(a|b)\1$'")
    assert "backreferences are not supported" in " ".join(harness("validate", path).split())
    printed = " ".join(run(path, "--recipes", "zero_shot,constrained", code=3).split())
    assert "cannot constrain decoding to this regex" in printed
    harness("diagnose", path, "--model", "tiny", "--limit", "5")


def test_targets_outside_the_language_leave_the_constrained_recipe_out(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "maximum": 5}}, "required": ["n"]}
    path = task(tmp_path / "small", schema, [{"n": 1e-7}, {"n": 2}])
    said = " ".join(harness("validate", path).split())
    assert "15 of 30 targets cannot be written under the schema's grammar" in said
    assert "15 of 30 targets" in " ".join(run(path, "--recipes", "constrained,zero_shot", code=3).split())


def test_a_format_without_a_language_is_not_run_as_if_it_had_one(tmp_path: Path) -> None:
    path = task(tmp_path / "prose", {}, ["one", "two"], form="text")
    printed = " ".join(run(path, "--recipes", "constrained,zero_shot", code=3).split())
    assert "format 'text' has no language that decoding can be held to" in printed


def test_a_server_that_ignores_the_constraint_is_a_failed_cell(tmp_path: Path, server: Server) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}
    path = task(tmp_path / "ignored", schema, [{"a": 1, "b": 2}])
    server.reply = lambda body, number: (200, completion("Sure, here you are!"))
    printed = harness("run", path, "--model", server.model(), "--recipes", "constrained", code=3)
    assert "the server does not constrain decoding" in " ".join(printed.split())
    sent = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert list(sent["properties"]) == ["a", "b"], "the order that train's targets share"


@pytest.mark.parametrize(
    ("status", "code"), [(200, 0), (400, 0), (403, 3)], ids=["ignores it", "refuses it", "knows no key"]
)
def test_a_default_recipe_that_the_server_does_not_hold_is_left_out(
    tmp_path: Path, server: Server, status: int, code: int
) -> None:
    """What fails for another reason stays a failed cell, which the same command asks again."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    path = task(tmp_path / "refused", schema, [{"a": 1}])

    def reply(body: dict[str, Any], number: int) -> tuple[int, dict[str, Any]]:
        if "response_format" not in body or status == 200:
            return 200, completion("Sure, here you are!")
        return status, {"error": {"message": "this model takes no response_format json_schema"}}

    server.reply = reply
    printed = " ".join(harness("run", path, "--model", server.model(), code=code).split())
    assert ("constrained left out: " in printed) == (code == 0)
    if status == 200:
        assert "the server does not constrain decoding" in printed
    else:
        assert f"HTTP {status}: this model takes no response_format" in printed


def test_constrained_is_a_default_recipe_where_the_format_has_a_language(tmp_path: Path) -> None:
    path = task(tmp_path / "prose", {}, ["one", "two"], form="text")
    printed = " ".join(harness("run", path, "--model", "fake", "--limit", "2").split())
    reason = "format 'text' has no language that decoding can be held to"
    assert f"constrained left out: {reason}; choice, number, regex and json_schema have one" in printed
    labels = task(tmp_path / "labels", {}, ["one", "two"], form="choice, choices: [one, two]")
    printed = " ".join(harness("run", labels, "--model", "fake", "--limit", "2").split())
    assert "constrained left out" not in printed


def test_a_server_that_obeys_is_a_finished_cell(tmp_path: Path, server: Server) -> None:
    path = task(tmp_path / "obeyed", UNIQUE | {"properties": {"tags": {"type": "array"}}}, [{"tags": ["a"]}])
    server.reply = lambda body, number: (200, completion('{"tags": ["a"]}'))
    harness("run", path, "--model", server.model(), "--recipes", "constrained")
    assert records()[0]["metrics"]["exact"]["mean"] == 1

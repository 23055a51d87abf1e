"""Results folders and result files of strangers: one bad folder costs itself and is named; nothing outside is read."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.benchmarks import lm_eval_files
from harness.core.errors import ConfigError
from harness.results import pins
from harness.results.database import benchmarks, ingest
from harness.results.database.store import Store
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.remote import layout
from tests.report_data import make


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make(folder)
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def _ids(results: Path) -> set[str]:
    with Store.open(results) as store:
        return {str(row["id"]) for row in store.rows("SELECT id FROM runs")}


@pytest.mark.parametrize("name", ["run.json", "samples.jsonl", "train_steps.jsonl"])
def test_a_run_whose_file_is_a_link_to_outside_is_left_out_and_named(results: Path, name: str) -> None:
    first, *others = ResultsFolder(results).run_folders()
    outside = results.parent / "outside"
    outside.write_bytes((first / "run.json").read_bytes())
    (first / name).unlink(missing_ok=True)
    (first / name).symlink_to(outside)
    done = ingest.sync(results)
    assert any(first.name in problem and "outside" in problem for problem in done.problems)
    assert _ids(results) == {folder.name for folder in others}
    with pytest.raises(ConfigError, match="outside"):
        ResultsFolder(results).find_run(first.name)


def test_a_pipe_in_a_run_folder_blocks_nothing(results: Path) -> None:
    first = ResultsFolder(results).run_folders()[0]
    (first / "samples.jsonl").unlink()
    os.mkfifo(first / "samples.jsonl")
    done = ingest.sync(results)
    assert any("not a regular file" in problem for problem in done.problems)
    with pytest.raises(ConfigError, match="not a regular file"):
        RunFolder(first).rows()


def test_what_links_to_outside_is_not_uploaded(results: Path) -> None:
    (results.parent / "secret").write_text("key")
    (results / "runs" / "x").mkdir()
    (results / "answers").mkdir(exist_ok=True)
    (results / "answers" / "a.jsonl").symlink_to(results.parent / "secret")
    (results / "answers" / "b.jsonl").write_text("{}")
    names = layout.to_upload(results)
    assert "answers/b.jsonl" in names
    assert "answers/a.jsonl" not in names


ODD: list[dict[str, Any]] = [
    {"results": {"a": {"acc,none": 1, "sample_len": "x"}}},
    {"results": {"a": {"acc,none": 1, "sample_len": [1]}}, "n-samples": [1]},
    {"results": {"a": {"acc,none": 1}}, "n-samples": {"a": 3}, "n-shot": {"a": "five"}},
    {
        "results": {"a": {"acc,none": 1}},
        "n-shot": "x",
        "versions": [1],
        "higher_is_better": {"a": {"acc": "y"}},
    },
    {"results": {"a": {"acc,none": 1}}, "config": [1]},
    {"results": {"a": {"acc,none": 1}}, "config": {"limit": "ten", "model_sha": {"x": 1}}},
    {"results": {"a": {"acc,none": 1, "b,none": 10**400, "acc_stderr,none": "x"}}},
    {"results": {"a": {"acc,none": 1, "sample_len": 2**70}}},
    {"results": {"../../a/b": {"acc,none": 1}}},
    {"results": {"a": {"acc,none": 1}}, "date": [1]},
    {"results": {"a": {"acc,none": 1}}, "date": 1e300},
    {"results": {"a": {"acc,none": 1}}, "model_name": {"x": 1}},
    {"results": {"a": {"acc,none": 1}}, "chat_template": [1]},
    {"results": {"a": []}},
    {"results": {}},
]


@pytest.mark.parametrize("content", ODD)
def test_a_strangers_lm_eval_file_is_read_or_refused_and_poisons_nothing(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    (tmp_path / "r").mkdir()
    file = tmp_path / "results_x.json"
    file.write_text(json.dumps({"model_name": "m", "date": 1, **content}))
    with contextlib.suppress(ConfigError):
        lm_eval_files.import_file(tmp_path / "r", file)
    assert ingest.sync(tmp_path / "r").problems == ()
    outside = [path for path in tmp_path.rglob("*.json*") if not path.is_relative_to(tmp_path / "r")]
    assert outside == [file]


def test_samples_of_lm_eval_without_what_they_should_have_are_read(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    file = tmp_path / "results_x.json"
    file.write_text(json.dumps({"model_name": "m", "date": 1, "results": {"a": {"acc,none": 1}}}))
    (tmp_path / "samples_a_x.jsonl").write_text(
        '{"acc": 1}\n{"doc_id": 1, "doc_hash": 3, "acc": 10}\nnot JSON\n'
    )
    lm_eval_files.import_file(tmp_path / "r", file)
    assert ingest.sync(tmp_path / "r").problems == ()


def test_a_folder_that_is_poisoned_already_costs_itself(results: Path) -> None:
    bad = results / "benchmarks" / "bad"
    bad.mkdir(parents=True)
    line = {"task": "a", "metric": "acc", "value": 1.0, "n": 2**80}
    (bad / "benchmarks.jsonl").write_text(json.dumps(line) + "\n")
    good = results / "benchmarks" / "good"
    good.mkdir()
    (good / "benchmarks.jsonl").write_text(json.dumps({**line, "n": 3}) + "\n")
    for _ in range(2):
        done = ingest.sync(results)
        assert any(str(bad) in problem for problem in done.problems)
    with Store.open(results) as store:
        assert [row["n"] for row in store.rows("SELECT n FROM benchmarks WHERE run_id IS NULL")] == [3]


@pytest.mark.parametrize("name", ["../../outside", "/outside", "a/b", "x" * 5000, "..", ""])
def test_a_file_about_a_task_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    folder = ResultsFolder(tmp_path)
    for file, parent in (
        (folder.triage(name, "12345678"), "triage"),
        (folder.constant(name, "12345678"), "constant"),
        (folder.findings(name, "../../.."), "findings"),
    ):
        assert file.parent == tmp_path / parent
        assert not file.exists()
    assert folder.triage("größe.v1-a_b", "12345678x").name == "größe.v1-a_b-12345678.json"


def test_an_evaluation_lies_below_its_model(tmp_path: Path) -> None:
    from harness.results.records.benchmark import BenchmarkRecord

    for name in ("../..", "/x", "a/b"):
        row = BenchmarkRecord.of({"task": "a", "metric": "acc", "folder": name})
        assert benchmarks.place_of(tmp_path, row) == tmp_path / "benchmarks"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", b"[" * 100_000),
        ("run.json", b'{"a":' * 100_000),
        ("run.json", b"\xff\xfe\x00"),
        ("run.json", b'{"task": 1, "recipe": [], "model": null}'),
        ("run.json", b"[1]"),
        ("run.json", b"5"),
        ("run.json", b"null"),
        ("cell.json", b"null"),
    ],
)
def test_a_broken_run_costs_itself(results: Path, name: str, content: bytes) -> None:
    bad = results / "runs" / "bad"
    bad.mkdir()
    (bad / name).write_bytes(content)
    others = {folder.name for folder in ResultsFolder(results).run_folders()} - {"bad"}
    done = ingest.sync(results)
    assert [problem for problem in done.problems if "bad" in problem] or "bad" in _ids(results)
    assert others <= _ids(results)
    run = ResultsFolder(results).find_run("bad")
    assert run.cell() is None or name == "run.json"
    record = run.record()
    assert record is None or record.task.name != "support_tickets"


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"5", b"null", b'"x"', b"{}", b"[" * 100_000, b'{"format": 1, "run": 5}', b"\0"]
)
def test_a_file_that_is_no_pin_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(ConfigError, match="not a pin|pin format"):
        pins.read("p", tmp_path)

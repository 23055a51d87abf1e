"""What lies beside runs (a diagnosis, a constant answer, a noise floor, earlier answers) counts only for what it is of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.core.kinds import build
from harness.models.source import resolve
from harness.regression import floor
from harness.results import pins, run_scores
from harness.results.folder import RunFolder
from harness.results.triage import read_triage
from harness.runner import again, environment
from tests.conftest import edit_task
from tests.unit.test_like_with_like import harness, records, rewrite
from tests.unit.test_regression_like_with_like import _record, _row


@pytest.fixture
def other_versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A function's worth of state: change it, and the libraries have these versions."""
    versions = dict(environment.versions())
    monkeypatch.setattr(environment, "versions", lambda: dict(versions))
    return versions


def test_a_run_that_grew_under_another_library_version_says_so(
    tiny_task: Path, stranger: None, other_versions: dict[str, str]
) -> None:
    words = ("run", str(tiny_task), "--model", "tiny", "--recipes", "zero_shot")
    before = other_versions["transformers"]
    harness(*words, "--limit", "2")
    sentence = f"were made with transformers {before}, now 99.1; run it again with --fresh"
    (record,) = records()
    harness("pin", record["id"], "--as", "kept", "--allow-dirty")
    other_versions["transformers"] = "99.1"
    for _ in range(2):  # as it grows, and from then on
        assert sentence in harness(*words, "--limit", "4")
    assert sentence in harness("gate", record["id"], "--against", "kept")
    harness(
        "run",
        str(tiny_task),
        "--model",
        "tiny",
        "--recipes",
        "few_shot",
        "--limit",
        "4",
        "--set",
        "program.k=1",
    )
    assert sentence in harness(
        "compare", record["id"], next(r["id"] for r in records() if r["id"] != record["id"])
    )
    assert sentence not in harness(*words, "--limit", "4", "--fresh")


def test_weights_that_another_library_version_trained_are_named(
    tiny_task: Path, stranger: None, other_versions: dict[str, str]
) -> None:
    words = ("--recipes", "lora", "--limit", "2", "--set", "weights.num_train_epochs=1")
    run = ("run", str(tiny_task), "--model", "tiny", *words, "--set", "weights.dev_examples=0")
    before = other_versions["peft"]
    harness(*run)
    rewrite(tiny_task / "test.jsonl", input=lambda n: f"thing test {n}?")
    other_versions["peft"] = "99.1"
    assert f"were made with peft {before}, now 99.1" in harness(*run)


def test_an_adapter_that_was_changed_since_does_not_answer_the_rest_of_a_run(
    tiny_task: Path, stranger: None
) -> None:
    words = ("--recipes", "lora", "--set", "weights.num_train_epochs=1", "--set", "weights.dev_examples=0")
    run = ("run", str(tiny_task), "--model", "tiny", *words, "--limit")
    harness(*run, "2")
    (file,) = Path("results/runs").glob("*/weights/0/*.safetensors")
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert "weights were changed or removed since the training" in harness(*run, "3", code=2)
    file.write_bytes(kept)
    harness(*run, "3")
    (record,) = records()
    assert (record["status"], record["metrics"]["exact"]["n"]) == ("done", 3)
    assert "files" not in record["train"]
    file.unlink()
    harness(*run, "4", "--fresh")
    assert records()[0]["metrics"]["exact"]["n"] == 4


def test_a_server_is_of_no_library_version(
    tiny_task: Path, stranger: None, other_versions: dict[str, str]
) -> None:
    words = ("run", str(tiny_task), "--model", "fake", "--recipes", "zero_shot")
    harness(*words, "--limit", "2")
    other_versions["transformers"] = "99.1"
    assert "99.1" not in harness(*words, "--limit", "4")


def test_a_run_of_another_device_or_number_format_is_named(
    tiny_task: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", str(tiny_task), "--recipes", "zero_shot", "--limit", "2", "--model")
    for model in ("tiny", "fake"):
        harness(*words, model)
    assert "run it again with --fresh" not in harness(*words, "tiny")
    device = environment.device_class()
    monkeypatch.setattr(environment, "number_format", lambda *_: "bfloat16")
    assert "made with number format float32, now bfloat16" in harness(*words, "tiny")
    monkeypatch.setattr(environment, "device_class", lambda: "xpu")
    assert f"made with device {device}, now xpu, number format float32, now bfloat16" in harness(
        *words, "tiny"
    )
    assert "now xpu" not in harness(*words, "fake")


def test_an_upgrade_names_runs_that_todays_libraries_did_not_make(
    tiny_task: Path, stranger: None, other_versions: dict[str, str]
) -> None:
    words = ("upgrade", str(tiny_task), "--from", "tiny", "--to", "tiny:qwen2", "--recipes", "zero_shot")
    before = other_versions["torch"]
    harness(*words, "--allow-inconclusive")
    other_versions["torch"] = "99.1"
    assert f"made with torch {before}, now 99.1" in harness(*words, "--allow-inconclusive")


CHANGES: dict[str, Callable[[Path], object]] = {
    "dev": lambda task: rewrite(task / "dev.jsonl", target="green"),
    "corpus": lambda task: (task / "corpus" / "d0.md").write_text("Another text."),
    "instructions": lambda task: edit_task(task, "Say the colour.", "Name the colour."),
    "scorer": lambda task: edit_task(task, "{kind: exact}", "{kind: exact, normalise: true}"),
    "margin": lambda task: edit_task(task, "version: 1", "version: 1\nmargin: 0.3"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_diagnosis_counts_for_the_data_and_the_scoring_that_it_is_of(
    change: str, tiny_task: Path, stranger: None
) -> None:
    run = ("run", str(tiny_task), "--model", "fake", "--recipes", "zero_shot")
    harness("diagnose", str(tiny_task), "--model", "fake")
    harness(*run)
    assert _triages() == [True]
    CHANGES[change](tiny_task)
    harness(*run)
    assert _triages()[-1] is (change == "margin")


def test_a_diagnosis_counts_for_the_weights_that_it_is_of(tiny_task: Path, stranger: None) -> None:
    shutil.copytree(resolve("tiny"), "model")
    run = ("run", str(tiny_task), "--model", "./model", "--recipes", "zero_shot", "--limit", "2")
    harness("diagnose", str(tiny_task), "--model", "./model", "--limit", "5")
    harness(*run)
    shutil.rmtree("model")
    shutil.copytree(resolve("tiny:qwen2"), "model")
    harness(*run)
    assert _triages() == [True, False]


def _triages() -> list[bool]:
    """Of every run on test, oldest first: whether a diagnosis stands beside it."""
    heads = [RunFolder(file.parent).record() for file in Path("results/runs").glob("*/run.json")]
    kept = [head for head in heads if head is not None and head.split == "test"]
    assert len({head.started_at for head in kept}) <= len(kept)
    ordered = sorted(kept, key=lambda head: Path("results/runs", head.id, "run.json").stat().st_mtime_ns)
    return [
        read_triage(
            Path("results"), "colours", head.model.spec, about=head.task, fingerprint=head.model.fingerprint
        )
        is not None
        for head in ordered
    ]


def test_each_way_of_scoring_has_a_constant_answer_of_its_own(tiny_task: Path, stranger: None) -> None:
    edit_task(tiny_task, "format: {kind: choice, choices: [red, green, blue]}", "format: {kind: text}")
    rewrite(tiny_task / "test.jsonl", target="Red")
    words = ("run", str(tiny_task), "--model", "fake:Red", "--recipes", "few_shot")
    harness(*words, "--seeds", "2")
    edit_task(tiny_task, "{kind: exact}", "{kind: exact, normalise: false}")
    harness(*words)  # seed 0 is scored again, seed 1 stays as it was
    verdicts = run_scores.verdicts([file.parent for file in sorted(Path("results/runs").glob("*/run.json"))])
    means = [verdict.constant.mean for verdict in verdicts if verdict.constant is not None]
    assert sorted(means) == [0.0, 1.0]


def test_a_pin_whose_run_was_scored_again_since_is_said_to_be(tiny_task: Path, stranger: None) -> None:
    """The same answers pass, and what changed under them is named."""
    edit_task(tiny_task, "format: {kind: choice, choices: [red, green, blue]}", "format: {kind: text}")
    words = ("run", str(tiny_task), "--model", "fake:Red", "--recipes", "few_shot")
    harness(*words)
    (record,) = records()
    harness("pin", record["id"], "--as", "kept", "--allow-dirty")
    assert "scored again" not in harness("gate", record["id"], "--against", "kept")
    edit_task(tiny_task, "{kind: exact}", "{kind: exact, normalise: false}")
    harness(*words)
    printed = harness("gate", record["id"], "--against", "kept")
    assert (
        "stored answers of pin 'kept' were scored again, as the task file says now (scorer exact: " in printed
    )
    assert "normalise=true, version=3 → kind=exact, normalise=false" in printed


def test_a_floor_is_not_learnt_from_seeds_that_were_scored_otherwise(tmp_path: Path) -> None:
    exact = {"name": "exact", "binary": True, "identity": {"kind": "exact", "version": 1}}
    loose = exact | {"identity": {"kind": "exact", "version": 1, "ignore_case": True}}
    for seed, scorer in enumerate((exact, exact, loose, loose)):
        record = _record(f"r{seed}", seed=seed, scorers=[scorer]).changed(train={}, metrics={})
        folder = tmp_path / "runs" / f"r{seed}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(record.to_json()))
        rows = [_row(f"e{n}", float(n <= seed)) for n in range(4)]
        (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for run, means in (("r0", [0.25, 0.5]), ("r3", [1.0, 0.75])):
        noise = floor.with_floor(tmp_path, pins.of_run(tmp_path, run)).noise
        assert noise is not None
        assert noise.raw["means"] == means


RETRIEVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bm25's tokenizer": ("tokenizer", {"kind": "bm25"}),
    "dense's tokenizer": ("tokenizer", {"kind": "dense"}),
    "dense's model": ("model", {"kind": "dense"}),
    "the cross-encoder": ("model", {"kind": "reranked"}),
}


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_retriever_is_its_files(name: str, stranger: None) -> None:
    setting, spec = RETRIEVERS[name]
    shutil.copytree(resolve("tiny"), "folder")
    alone = {**spec, setting: "./folder"}
    ways = [
        alone,
        {"kind": "reranked", "retriever": alone},
        {"kind": "hybrid", "retrievers": [alone, "bm25"]},
    ]
    before = [build("retrieval", way).identity() for way in ways]
    assert before == [build("retrieval", way).identity() for way in ways]
    file = Path("folder/tokenizer.json")
    file.write_text(file.read_text() + " ")
    after = [build("retrieval", way).identity() for way in ways]
    assert all(a != b for a, b in zip(before, after, strict=True))


def test_another_tokenizer_in_the_folder_of_a_retriever_is_another_run(
    tiny_task: Path, stranger: None
) -> None:
    shutil.copytree(resolve("tiny"), "folder")
    Path("rag.yaml").write_text("program: {kind: rag, retriever: {kind: bm25, tokenizer: ./folder}}\n")
    run = ("run", str(tiny_task), "--model", "fake", "--recipes", "rag.yaml", "--limit", "2")
    harness(*run)
    harness(*run)
    assert len(records()) == 1
    shutil.rmtree("folder")
    shutil.copytree(resolve("tiny:qwen2"), "folder")
    harness(*run)
    assert len(records()) == 2


def test_what_answers_elsewhere_is_named_by_no_device() -> None:
    record = _record("a")
    assert again.made_elsewhere(record) == []

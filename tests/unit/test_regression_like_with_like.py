"""Numbers stand beside each other only if the same thing was measured in the same way."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.engines.fake import FakeEngine
from harness.regression import floor, gate_text, history, junit, noise_floor
from harness.regression.gate import Gate, judge
from harness.regression.gate_rules import Rules
from harness.results import likeness, run_labels
from harness.results.database.store import Store
from harness.results.pins import Snapshot
from harness.results.records.run import RunRecord, TaskRecord
from harness.runner import again, environment
from harness.runner.cells import plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import Outcome, run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.conftest import edit_task
from tests.unit.regress_kit import snapshot
from tests.unit.test_database_commands import Command

RULES = Rules(margins={"primary": 0.02})
LORA = {"name": "lora", "data": {}, "base": {}, "weights": [{"kind": "lora"}], "program": {}}


def _task(**identity: Any) -> dict[str, Any]:
    """The task part of a record whose scorer has these settings."""
    scorer = {"name": "exact", "binary": True, "identity": {"kind": "exact", "version": 1} | identity}
    return {"name": "t", "primary": "exact", "version": 1, "data_hash": "d", "scorers": [scorer]}


def test_unlike_scorers_are_named_with_their_settings_and_unknown_ones_are_no_difference() -> None:
    (item,) = likeness.scored(TaskRecord.of(_task()), TaskRecord.of(_task(ignore_case=True)))
    assert item.known
    assert item.sentence == "scorer exact: kind=exact, version=1 → ignore_case=true, kind=exact, version=1"
    old = {"name": "t", "primary": "exact", "scorers": [{"name": "exact", "binary": True}]}
    (item,) = likeness.scored(TaskRecord.of(old), TaskRecord.of(_task()))
    assert not item.known
    assert likeness.scored(TaskRecord.of(_task()), TaskRecord.of(_task())) == ()


def test_the_gate_refuses_a_run_that_was_scored_otherwise_and_names_what_it_does_not_know() -> None:
    loose = snapshot([1.0] * 30, task=_task(ignore_case=True))
    with pytest.raises(ConfigError, match="scorer exact: .* → ignore_case=true"):
        judge(loose, snapshot([1.0] * 30, task=_task()), RULES)
    unknown = {"name": "t", "primary": "exact", "scorers": [{"name": "exact", "binary": True}]}
    gate = judge(loose, snapshot([1.0] * 30, task=unknown), RULES)
    assert gate.verdict == "passed"
    assert any("scorer exact" in note and "not recorded" in note for note in gate.notes)


def test_the_gate_names_other_library_versions() -> None:
    old = snapshot([1.0] * 30, versions={"transformers": "4.1", "numpy": "1"})
    new = snapshot([1.0] * 30, versions={"transformers": "5.23", "numpy": "2"})
    notes = judge(new, old, RULES).notes
    assert "made with other library versions: transformers: 4.1 → 5.23" in notes
    assert not any("numpy" in note for note in notes)


def _renamed() -> tuple[Snapshot, Snapshot]:
    """A pin of ten, and a run in which e0 vanished, e1 is called new, e2 has another text and extra came."""
    pin, full = snapshot([1.0] * 10), snapshot([1.0] * 11).samples
    others = [
        dataclasses.replace(full[1], id="new"),
        dataclasses.replace(full[2], example="other text"),
        *full[3:10],
        dataclasses.replace(full[10], id="extra"),
    ]
    return pin, dataclasses.replace(pin, samples=tuple(others))


def test_passing_needs_every_pinned_example_as_it_was_pinned() -> None:
    pin, changed = _renamed()
    gate = judge(changed, pin, RULES)
    assert (gate.verdict, gate.exit_code) == ("error", 3)
    assert gate.examples.vanished == ("e0", "e1")
    assert gate.examples.appeared == ("new", "extra")
    assert gate.examples.changed == ("e2",)
    assert gate.examples.renamed == (("e1", "new"),)
    allowed = judge(changed, pin, RULES, allow_missing=True)
    assert (allowed.verdict, allowed.exit_code, allowed.checks[0].n) == ("passed", 0, 7)


def test_vanished_renamed_and_changed_examples_are_in_text_markdown_and_junit() -> None:
    pin, changed = _renamed()
    for allow in (False, True):
        gate = judge(changed, pin, RULES, allow_missing=allow)
        for said in (gate_text.text(gate), gate_text.markdown(gate)):
            for part in (
                "pinned but not in the run",
                "e0",
                "changed input or target",
                "e2",
                "not pinned",
                "extra",
                "e1 → new",
            ):
                assert part in said.replace("\\", "")
        suite = ET.fromstring(junit.document(gate))[0]
        cases = {case.get("name"): case for case in suite if case.get("classname") == "examples"}
        errors = {name for name, case in cases.items() if case.find("error") is not None}
        assert len(cases) == 4
        assert errors == (set() if allow else {"pinned but not in the run", "changed input or target"})


def test_a_loss_is_a_regression_although_examples_are_missing() -> None:
    pin, run_ = snapshot([1.0] * 40), snapshot([0.0] * 39)
    assert judge(run_, pin, RULES).exit_code == 1


EVIL = "e1\n::error::x ##[warning] # Heading [a](https://x.example) ![i](y) @team <b>|`\x1b[31m\u202e"


def test_example_ids_have_no_power_over_the_terminal_markdown_or_ci() -> None:
    pin = snapshot([1.0] * 40)
    named = [
        dataclasses.replace(sample, id=EVIL if i == 1 else sample.id) for i, sample in enumerate(pin.samples)
    ]
    pin = dataclasses.replace(pin, samples=tuple(named))
    worse = [dataclasses.replace(s, values={"exact": 0.0}, failure="wrong_value", output="no") for s in named]
    bad = dataclasses.replace(pin, name="::warning::run", samples=tuple(worse))
    gate = judge(bad, pin, Rules(margins={"primary": 0.02}, must_pass=(EVIL,)))
    text, markdown = gate_text.text(gate), gate_text.markdown(gate)
    for said in (text, markdown):
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert "##[" not in said
        assert not [line for line in said.splitlines() if line.strip().startswith(("::", "# Heading"))]
    for part in ("![i]", "[a](", "@team", "<b>", "https://"):
        assert part not in markdown
    cells = [line for line in markdown.splitlines() if line.startswith("| ❌ | must pass")]
    assert len(cells) == 1
    assert len(cells[0].replace("\\|", "").strip("|").split("|")) == 4
    names = {case.get("name") for case in ET.fromstring(junit.document(gate))[0]}
    assert any(name is not None and name.startswith("e1\n::error") for name in names)  # XML holds it as text


def test_a_floor_counts_only_for_what_was_scored_and_made_in_the_same_way() -> None:
    runs = [snapshot([1.0, 0.0] * 20, task=_task(), seed=0), snapshot([0.0, 0.0] * 20, task=_task(), seed=1)]
    record = noise_floor.summarise(runs[0], runs[1:], [])
    assert record.deterministic is None
    assert floor.pooled(dataclasses.replace(runs[0], noise=record)) is not None
    other = snapshot([1.0], task=_task(ignore_case=True))
    assert floor.pooled(dataclasses.replace(other, noise=record)) is None


def test_history_keeps_runs_that_were_scored_otherwise_apart(tmp_path: Path) -> None:
    for place, settings in enumerate(({}, {}, {"ignore_case": True}, None)):
        folder = tmp_path / "runs" / f"r{place}"
        folder.mkdir(parents=True)
        task = _task(**(settings or {})) | {"format": {"kind": "text"}}
        if settings is None:
            del task["scorers"][0]["identity"]
        record = {
            **{"id": folder.name, "key": "k", "status": "done", "error": None, "task": task, "recipe": LORA},
            **{
                "model": {"spec": "m", "fingerprint": "f"},
                "seed": 0,
                "split": "test",
                "limit": None,
                "labels": None,
            },
            "started_at": f"2026-01-0{place + 1}",
        }
        (folder / "run.json").write_text(json.dumps(record))
        (folder / "samples.jsonl").write_text(json.dumps(_row("e0", 1.0)) + "\n")
    found = history.load(tmp_path)
    assert [[point.run for point in item.points] for item in found] == [["r2"], ["r0", "r1"], ["r3"]]
    assert "ignore_case=true" in found[0].name


def _row(id: str, value: float) -> dict[str, Any]:
    score = {"scorer": "exact", "status": "scored", "value": value, "reason": ""}
    valid = {"status": "valid", "reason": "", "path": ""}
    return {
        **{
            "sample_id": id,
            "input": {"input": "x"},
            "target": "red",
            "group": None,
            "meta": {},
            "context_ids": [],
        },
        **{"prompt": "p", "output": "red", "tokens_in": 3, "tokens_out": 1, "seconds": 0.1, "failure": None},
        **{"scores": [score], "strict": valid, "extracted": valid, "cached": False, "finish_reason": "stop"},
        **{"passages": [], "shots": [], "error": None},
    }


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Every answer is "Red."; counts what it was asked."""
    fake = FakeEngine("Red.")
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: fake)
    return fake


def _again(task: Path, results: Path, *, fresh: bool = False) -> Outcome:
    cells = plan(session.experiment(RunOptions(str(task), model=("fake",), recipes=("zero_shot",))))
    return run(cells, results, progress=Progress(), fresh=fresh)


def test_an_edited_margin_and_version_are_read_without_asking_again(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    _again(tiny_task, tmp_path / "results")
    asked = len(engine.asked)
    edit_task(tiny_task, "version: 1", "version: 2\nmargin: 0.11")
    (record,) = (one.raw for one in _again(tiny_task, tmp_path / "results").records)
    assert len(engine.asked) == asked
    assert (record["task"]["margin"], record["task"]["version"]) == (0.11, 2)
    stored = json.loads((tmp_path / "results/runs" / record["id"] / "run.json").read_text())
    assert stored == record


def test_stored_answers_are_scored_again_when_the_scorer_changes(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    edit_task(tiny_task, "format: {kind: choice, choices: [red, green, blue]}", "format: {kind: text}")
    (before,) = (one.raw for one in _again(tiny_task, tmp_path / "results").records)
    asked = len(engine.asked)
    edit_task(
        tiny_task,
        "scorers: [{kind: exact}]\nprimary: exact",
        "scorers: [{kind: f1}, {kind: exact}]\nprimary: f1",
    )
    outcome = _again(tiny_task, tmp_path / "results")
    (record,) = (one.raw for one in outcome.records)
    assert (outcome.fresh, len(engine.asked)) == (0, asked)
    assert set(record["metrics"]) - set(before["metrics"]) == {"f1", "f1_strict"}
    rows = [json.loads(line) for line in (outcome.folders[0] / "samples.jsonl").read_text().splitlines()]
    assert [score["scorer"] for score in rows[0]["scores"]] == ["f1", "exact"]
    assert rows[0]["scores"][0]["value"] == record["metrics"]["f1"]["mean"] * 8 / 3  # three of eight are red
    assert [s["identity"]["kind"] for s in record["task"]["scorers"]] == ["f1", "exact"]
    # What an answer was, and what it cost, stays as it was.
    assert {row["output"] for row in rows} == {"Red."}


def test_a_rerun_names_other_library_versions_and_fresh_runs_it_again(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    (record,) = (one.raw for one in _again(tiny_task, results).records)
    monkeypatch.setattr(again, "_ASKED_ELSEWHERE", ())
    versions = environment.versions()
    assert _again(tiny_task, results).notes == ()
    monkeypatch.setattr(environment, "versions", lambda: versions | {"transformers": "99.1"})
    (note,) = _again(tiny_task, results).notes
    assert f"made with transformers {versions['transformers']}, now 99.1" in note
    assert "--fresh" in note
    asked = len(engine.asked)
    renewed = _again(tiny_task, results, fresh=True)
    assert (renewed.fresh, renewed.notes) == (1, ())
    assert len(engine.asked) > asked
    assert renewed.records[0].versions["transformers"] == "99.1"
    assert [file.parent.name for file in results.glob("replaced/*/run.json")] == [f"{record['id']}.1"]


def test_answers_are_remembered_with_the_versions_that_gave_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.models.load import load

    model = load("tiny")
    bench = ModelPool(tmp_path)
    first = bench.engine(model, "weights").identity  # type: ignore[attr-defined]
    assert bench.engine(model, "weights").identity == first  # type: ignore[attr-defined]
    monkeypatch.setattr(environment, "versions", lambda: {"transformers": "99.1"})
    assert bench.engine(model, "weights").identity != first  # type: ignore[attr-defined]


def _record(id: str, *, weights: str = "f", seed: int = 0, **task: Any) -> RunRecord:
    content = {
        **{"id": id, "task": _task() | {"format": {"kind": "text"}} | task, "recipe": LORA, "status": "done"},
        **{
            "model": {"spec": "m", "fingerprint": weights},
            "seed": seed,
            "labels": None,
            "limit": None,
            "split": "test",
        },
    }
    return RunRecord.of(content)


def test_models_of_one_name_and_other_weights_are_two_models() -> None:
    records = [
        _record("a", weights="aaaa1"),
        _record("b", weights="bbbb2"),
        _record("c", weights="aaaa1", seed=1),
    ]
    places = run_labels.places(records)
    assert places == {"a": ("t", "m ·aaaa"), "b": ("t", "m ·bbbb"), "c": ("t", "m ·aaaa")}
    assert set(run_labels.labels(records).values()) == {"lora"}


def test_one_task_scored_in_two_ways_is_two_tasks_and_old_records_go_along() -> None:
    exact = {"name": "exact", "binary": True}
    loose = {**exact, "identity": {"kind": "exact", "ignore_case": True}}
    records = [_record("a"), _record("b", scorers=[loose])]
    assert len(set(run_labels.places(records).values())) == 2
    old = _record("o", scorers=[exact], format=None)
    assert set(run_labels.places([records[0], old]).values()) == {("t", "m")}


def test_the_leaderboard_folds_seeds_of_one_model_and_one_way_of_scoring_only(tmp_path: Path) -> None:
    from harness.results.database import ingest, queries

    exact = {"name": "exact", "binary": True, "identity": {"kind": "exact"}}
    loose = [exact | {"identity": {"kind": "exact", "ignore_case": True}}]
    records = [
        _record("a", scorers=[exact]),
        _record("b", scorers=[exact], seed=1),
        _record("c", scorers=loose),
        _record("d", scorers=[exact], weights="other"),
    ]
    for record in records:
        folder = tmp_path / "runs" / record.id
        folder.mkdir(parents=True)
        rest = {
            "key": record.id,
            "metrics": {"exact": {"mean": 1.0, "n": 1}},
            "started_at": "2026-01-01T00:00:00+00:00",
        }
        (folder / "run.json").write_text(json.dumps({**record.raw, **rest}))
        (folder / "samples.jsonl").write_text(json.dumps(_row("e0", 1.0)) + "\n")
    ingest.sync(tmp_path)
    with Store.open(tmp_path) as store:
        rows = queries.leaderboard(store)
    assert sorted(row["run_ids"] for row in rows) == [["a", "b"], ["c"], ["d"]]


def test_compare_refuses_runs_that_were_scored_otherwise(
    tiny_task: Path,
    tmp_path: Path,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "results"
    first = _again(tiny_task, results).folders[0]
    record = json.loads((first / "run.json").read_text())
    second = results / "runs" / "other"
    second.mkdir()
    (second / "samples.jsonl").write_bytes((first / "samples.jsonl").read_bytes())
    harness = Command(results, monkeypatch, capsys)

    def compared(**task: Any) -> tuple[int, str, str]:
        changed = record | {"id": "other", "key": "o", "task": record["task"] | task}
        (second / "run.json").write_text(json.dumps(changed))
        return harness("compare", first.name, "other")

    code, said, _ = compared(margin=0.5)
    assert code == 0
    assert "different margins: 0.02 and 0.5" in said
    code, _, err = compared(
        scorers=[record["task"]["scorers"][0] | {"identity": {"kind": "exact", "loose": True}}]
    )
    assert code == 2
    assert "scored in different ways" in err


def test_a_gate_keeps_its_fields_in_json() -> None:
    gate: Gate = judge(snapshot([1.0] * 30), snapshot([1.0] * 30), RULES)
    made = json.loads(json.dumps(gate.to_json()))
    assert {"verdict", "exit_code", "checks", "examples", "provisional", "notes", "sentence"} <= set(made)

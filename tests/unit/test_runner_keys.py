"""What decides weights, what decides answers, and what neither: nothing is trained or asked twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.core.protocols import LanguageModel, StepRecord
from harness.engines.fake import FakeEngine
from harness.engines.hf.engine import HfEngine
from harness.report import run_selection
from harness.report.data import load as load_report
from harness.results import run_labels, run_scores
from harness.results.database import ingest
from harness.results.records.run import RunRecord
from harness.runner import latency
from harness.runner.asked import covers
from harness.runner.cells import Cell, plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import Outcome, run
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions

FAST = ("weights.num_train_epochs=1", "weights.dev_examples=2")

TIMED = latency.PROMPTS
"""Requests that measure latency: one of each prompt, the first of them for a few more tokens."""


class Counted(Progress):
    """Counts optimiser steps, and raises at the answer that `stop_after` names."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.steps = self.answers = 0
        self.stop_after = stop_after

    def step(self, cell: Cell, step: StepRecord) -> None:
        self.steps += 1

    def answered(self, cell: Cell) -> None:
        self.answers += 1
        if self.answers == self.stop_after:
            raise KeyboardInterrupt


def cells(task: Path, recipe: str = "zero_shot", *, model: str = "fake", **more: Any) -> list[Cell]:
    settings = FAST if recipe == "lora" else ()
    return plan(
        session.experiment(
            RunOptions(str(task), model=(model,), recipes=(recipe,), settings=settings, **more)
        )
    )


def lora(task: Path, **more: Any) -> Cell:
    return cells(task, "lora", model="tiny", **more)[0]


def asked(outcome: Outcome) -> list[str]:
    """Ids in the samples file of the only run."""
    (folder,) = outcome.folders
    return [json.loads(line)["sample_id"] for line in (folder / "samples.jsonl").read_text().splitlines()]


@pytest.fixture
def asked_of_model(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the requests that the loaded model answered, at batch one for the timing too."""
    results: list[str] = []
    generate = HfEngine.generate

    def counted(self: HfEngine, requests: Sequence[Any]) -> Any:
        results.extend(request.id for request in requests)
        return generate(self, requests)

    monkeypatch.setattr(HfEngine, "generate", counted)
    return results


def edit(task: Path, split: str, change: str) -> None:
    """Add a row to a split, or put another word into its first row."""
    file = task / f"{split}.jsonl"
    lines = file.read_text().splitlines()
    if change == "add":
        row = json.loads(lines[-1])
        lines.append(json.dumps(row | {"id": f"{split}-new", "input": "a new thing"}))
    else:
        lines[0] = lines[0].replace("thing", "item")
    file.write_text("\n".join(lines) + "\n")


def test_more_examples_ask_only_the_new_ones(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    three = run(cells(tiny_task, limit=3), tmp_path / "r", progress=Progress())
    before = asked(three)
    progress = Counted()
    seven = run(cells(tiny_task, limit=7), tmp_path / "r", progress=progress)
    assert seven.folders == three.folders
    assert asked(seven)[:3] == before
    assert (progress.answers, len(set(asked(seven)))) == (4, 7)
    assert (seven.records[0].limit, seven.records[0].metrics["exact"].n) == (7, 7)


def test_fewer_examples_ask_nothing_and_are_the_ones_of_that_limit(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    first = run(cells(tiny_task, limit=3), tmp_path / "r", progress=Progress())
    run(cells(tiny_task), tmp_path / "r", progress=Progress())
    count = len(engine.asked)
    again = run(cells(tiny_task, limit=3), tmp_path / "r", progress=Progress())
    assert (again.fresh, len(engine.asked)) == (0, count)
    for name in ("limit", "metrics", "counts"):
        assert again.records[0].raw[name] == first.records[0].raw[name]
    # The folder keeps what it has: all eight answers, and a record of them.
    (folder,) = again.folders
    record = json.loads((folder / "run.json").read_text())
    assert (record["limit"], record["metrics"]["exact"]["n"]) == (None, 8)


def test_a_limit_that_no_split_reaches_is_none(tiny_task: Path, tmp_path: Path, engine: FakeEngine) -> None:
    """Otherwise the printed next command, which names none, would check and time every run again."""
    first = run(cells(tiny_task, limit=100), tmp_path / "r", progress=Progress())
    again = run(cells(tiny_task), tmp_path / "r", progress=Progress())
    assert (first.records[0].limit, again.fresh) == (None, 0)


def test_a_verdict_reads_only_the_examples_that_its_command_asks(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    experiment = session.experiment(
        RunOptions(str(tiny_task), model=("fake",), recipes=("zero_shot", "few_shot"))
    )
    full = session.run(experiment, tmp_path / "r", progress=Progress())
    small = session.run(replace(experiment, limit=3), tmp_path / "r", progress=Progress())
    assert (full.verdicts[0].n, small.verdicts[0].n) == (8, 3)
    # What is said of everything is of all answers.
    assert run_scores.verdicts(small.outcome.folders)[0].n == 8


def test_the_report_of_a_command_shows_the_examples_of_its_verdict(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    outcome = run(cells(tiny_task), tmp_path / "r", progress=Progress())
    (folder,) = outcome.folders
    data = load_report(tmp_path / "r", [folder.name], {folder.name: {"test-1", "test-2"}})
    (run_,) = data.runs
    assert [row.sample_id for row in run_.rows] == ["test-1", "test-2"]
    assert (run_.record.metrics["exact"].n, run_.record.counts["scored"]) == (2, 2)
    (whole,) = load_report(tmp_path / "r", [folder.name]).runs
    assert len(whole.rows) == 8


def test_a_larger_sample_that_is_interrupted_loses_no_answer(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    three = run(cells(tiny_task, limit=3), tmp_path / "r", progress=Progress())
    with pytest.raises(KeyboardInterrupt):
        run(cells(tiny_task), tmp_path / "r", progress=Counted(stop_after=2))
    count = len(engine.asked)
    again = run(cells(tiny_task, limit=3), tmp_path / "r", progress=(progress := Counted()))
    assert progress.answers == 0
    assert again.records[0].metrics == three.records[0].metrics
    run(cells(tiny_task), tmp_path / "r", progress=(progress := Counted()))
    assert progress.answers == 3
    assert len(set(asked(again))) == 8
    # Only timing asks again, three prompts each time.
    assert len(engine.asked) == count + 3 + 3 + 3


@pytest.mark.parametrize(
    ("had", "wanted", "enough"),
    [(None, None, True), (None, 5, True), (5, 5, True), (8, 5, True), (5, 8, False), (5, None, False)],
)
def test_a_sample_covers_a_smaller_one(had: int | None, wanted: int | None, enough: bool) -> None:
    assert covers(had, wanted) is enough


def test_more_test_examples_train_nothing_again(
    tiny_task: Path, tmp_path: Path, one_thread: None, asked_of_model: list[str]
) -> None:
    first = run([lora(tiny_task, limit=3)], tmp_path / "r", progress=(training := Counted()))
    file = first.folders[0] / "weights" / "0" / "adapter_model.safetensors"
    before = file.read_bytes()
    asked_of_model.clear()
    more = run([lora(tiny_task, limit=6)], tmp_path / "r", progress=(progress := Counted()))
    assert training.steps > 0
    assert (progress.steps, progress.answers) == (0, 3)
    assert file.read_bytes() == before
    assert len(asked_of_model) == 3 + TIMED  # the new ones
    old, new = first.records[0].raw, more.records[0].raw
    assert new["train"] == old["train"]
    assert new["seconds"] > old["seconds"]
    assert new["peak_memory_bytes"] >= old["peak_memory_bytes"]


@pytest.mark.parametrize("change", ["add", "edit"])
def test_a_changed_test_file_trains_nothing_again_and_asks_what_is_new(
    tiny_task: Path, tmp_path: Path, one_thread: None, asked_of_model: list[str], change: str
) -> None:
    first = run([lora(tiny_task)], tmp_path / "r", progress=Progress())
    edit(tiny_task, "test", change)
    asked_of_model.clear()
    again = run([lora(tiny_task)], tmp_path / "r", progress=(progress := Counted()))
    assert again.folders != first.folders
    assert progress.steps == 0
    assert asked_of_model[:-TIMED] == (["test-new"] if change == "add" else ["test-0"])
    old, new = first.records[0].raw, again.records[0].raw
    assert new["weights_key"] == old["weights_key"]
    assert new["train"] == old["train"] | {"trained_by": first.folders[0].name}
    assert new["peak_memory_bytes"] >= old["peak_memory_bytes"]
    steps = [(folder / "train_steps.jsonl").read_text() for folder in (*first.folders, *again.folders)]
    assert steps[0] == steps[1]
    # The run is whole by itself: what it took from the other one stays when that one goes.
    shutil.rmtree(first.folders[0])
    file = again.folders[0] / "weights" / "0" / "adapter_model.safetensors"
    assert file.stat().st_size > 0
    edit(tiny_task, "test", "add" if change == "edit" else "edit")
    run([lora(tiny_task)], tmp_path / "r", progress=(progress := Counted()))
    assert progress.steps == 0


def test_two_tasks_with_the_same_train_share_their_weights(
    tiny_task: Path, tmp_path: Path, one_thread: None
) -> None:
    other = tiny_task.with_name("shades")
    shutil.copytree(tiny_task, other)
    (other / "task.yaml").write_text((other / "task.yaml").read_text().replace("colours", "shades"))
    edit(other, "test", "edit")
    run([lora(tiny_task)], tmp_path / "r", progress=Progress())
    record = run([lora(other)], tmp_path / "r", progress=(progress := Counted())).records[0].raw
    assert (record["task"]["name"], record["status"], progress.steps) == ("shades", "done", 0)


def test_weights_that_are_gone_or_damaged_are_trained_again(
    tiny_task: Path, tmp_path: Path, one_thread: None
) -> None:
    first = run([lora(tiny_task)], tmp_path / "r", progress=Progress())
    (first.folders[0] / "weights" / "0" / "trained.json").unlink()
    (pointer,) = (tmp_path / "r" / "trained").iterdir()
    edit(tiny_task, "test", "add")
    run([lora(tiny_task)], tmp_path / "r", progress=(progress := Counted()))
    assert progress.steps > 0
    pointer.write_text('{"run": "../../elsewhere"}')
    edit(tiny_task, "test", "edit")
    run([lora(tiny_task)], tmp_path / "r", progress=(progress := Counted()))
    assert progress.steps > 0


KEYS: dict[str, tuple[str, bool, bool]] = {
    "more test examples": ("limit", True, True),
    "a test row more": ("test add", True, False),
    "another test row": ("test edit", True, False),
    "a train row more": ("train add", False, False),
    "another train row": ("train edit", False, False),
    "another dev row": ("dev edit", False, False),
    "fewer labels": ("labels", False, False),
    "another seed": ("seed", False, False),
    "another setting": ("set", False, False),
    "another document": ("corpus", False, False),
    "other instructions": ("instructions", False, False),
    "dev is asked": ("split", True, False),
}


@pytest.mark.parametrize("name", KEYS)
def test_what_decides_which_key(tiny_task: Path, name: str) -> None:
    change, same_weights, same_answers = KEYS[name]
    before = lora(tiny_task)
    after = _changed(tiny_task, change)
    assert (after.weights_key == before.weights_key) is same_weights
    assert (after.key == before.key) is same_answers


def _changed(task: Path, change: str) -> Cell:
    split, _, how = change.partition(" ")
    if how:
        edit(task, split, how)
    if change == "corpus":
        (task / "corpus" / "d99.md").write_text("# Another\nOne more document.\n")
    if change == "instructions":
        file = task / "task.yaml"
        file.write_text(file.read_text().replace("Say the colour.", "Name the colour."))
    if change == "set":
        experiment = session.experiment(
            RunOptions(str(task), model=("tiny",), recipes=("lora",), settings=(*FAST, "weights.lora_r=2"))
        )
        return plan(experiment)[0]
    cell = lora(task, limit=2 if change == "limit" else None, labels=(6,) if change == "labels" else ())
    return replace(
        cell, seed=1 if change == "seed" else cell.seed, split="dev" if change == "split" else cell.split
    )


def test_generated_lessons_are_decided_by_what_they_must_not_ask(tiny_task: Path) -> None:
    """They leave out the questions of test, so another test makes another train set."""

    def cell() -> Cell:
        return plan(session.experiment(RunOptions(str(tiny_task), model=("tiny",), recipes=("augmented",))))[
            0
        ]

    before = cell()
    edit(tiny_task, "test", "edit")
    assert cell().weights_key != before.weights_key


def test_a_run_of_the_old_format_is_read_but_not_taken_for_a_new_one(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    """Records of format 1 say neither format nor weights key, and their limit was the file's beginning."""
    new = run(cells(tiny_task, limit=3), tmp_path / "r", progress=Progress())
    old = tmp_path / "r" / "runs" / "colours-zero_shot-fake-s0-01234567"
    shutil.copytree(new.folders[0], old)
    record = json.loads((old / "run.json").read_text()) | {"id": old.name, "key": "01234567" * 8}
    for name in ("format", "weights_key", "before", "fitted"):
        del record[name]
    (old / "run.json").write_text(json.dumps(record))
    ingest.sync(tmp_path / "r")
    assert len(run_scores.verdicts([old])) == 1
    names = run_labels.labels([RunRecord.of(record), new.records[0]])
    assert len(set(names.values())) == 2
    assert run_selection.choose(tmp_path / "r", (), None).runs in ((old.name,), (new.folders[0].name,))
    data = load_report(tmp_path / "r", [old.name])
    assert [run_.done for run_ in data.runs] == [True]


def test_a_report_takes_runs_that_were_asked_at_least_as_much(
    tiny_task: Path, tmp_path: Path, engine: FakeEngine
) -> None:
    more = run(cells(tiny_task, limit=6), tmp_path / "r", progress=Progress())
    less = run(cells(tiny_task, "few_shot", limit=3), tmp_path / "r", progress=Progress())
    for outcome, started in ((more, "2026-01-01"), (less, "2026-01-02")):
        file = outcome.folders[0] / "run.json"
        file.write_text(
            json.dumps(json.loads(file.read_text()) | {"started_at": f"{started}T00:00:00+00:00"})
        )
    ingest.sync(tmp_path / "r")
    chosen = run_selection.choose(tmp_path / "r", (), None)
    assert set(chosen.runs) == {more.folders[0].name, less.folders[0].name}
    assert chosen.other_examples == ()
    assert run_scores.verdicts([*more.folders, *less.folders])[0].n == 3


def test_an_engine_is_of_its_weights(
    tiny_task: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Answers are remembered for the weights, whichever run asks them."""
    identities: list[str] = []
    engine = ModelPool.engine

    def noted(self: ModelPool, model: LanguageModel, identity: str) -> Any:
        identities.append(identity)
        return engine(self, model, identity)

    monkeypatch.setattr(ModelPool, "engine", noted)
    cell = lora(tiny_task, limit=2)
    run([cell], tmp_path / "r", progress=Progress())
    assert identities == [cell.weights_key]

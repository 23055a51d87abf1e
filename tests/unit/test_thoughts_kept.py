"""What a model thought aloud is kept with its answer, counted in tokens and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.values import Completion, Prompt
from harness.engines.fake import FakeEngine
from harness.results.database import ingest, queries
from harness.results.database.store import Store
from harness.results.records.base import adapter
from harness.results.records.sample import SampleRecord
from harness.runner import again, scoring
from harness.runner.cells import plan
from harness.runner.model_pool import ModelPool
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.tasks.load import load
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions


def _completion(text: str, **more: object) -> Completion:
    fields = {"text": text, "tokens_in": 9, "tokens_out": 20, "finish_reason": "stop", "seconds": 1.0}
    return Completion(**fields | more)  # type: ignore[arg-type]


def test_thoughts_are_a_part_of_the_row_and_of_no_judgment(tiny_task: Path) -> None:
    task = load(tiny_task)
    example = task.splits["test"][0]
    thought = "I cannot say."
    row = scoring.sample(task, example, Prompt(messages=()), _completion(f"<think>{thought}</think>red"))
    assert row.output == f"<think>{thought}</think>red"
    assert (row.thoughts, row.strict.status) == (thought, "valid")
    assert row.thought_tokens is not None
    assert 0 < row.thought_tokens < 20
    assert (row.scores[0].value, row.failure) == (1.0, None)
    plain = scoring.sample(task, example, Prompt(messages=()), _completion("red"))
    assert "thoughts" not in plain.to_json()


def test_a_servers_thoughts_are_kept_with_its_own_count_and_outlive_another_scoring(tiny_task: Path) -> None:
    task = load(tiny_task)
    completion = _completion("red", thoughts="It is warm.", thought_tokens=12)
    row = scoring.sample(task, task.splits["test"][0], Prompt(messages=()), completion)
    assert (row.thoughts, row.thought_tokens) == ("It is warm.", 12)
    (rescored,) = again.rescored(
        task, [adapter(SampleRecord).validate_python(json.loads(json.dumps(row.to_json())))]
    )
    assert rescored == row


def test_thoughts_reach_the_index_and_the_terminal(
    tiny_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.report.terminal import tables

    fake = FakeEngine("<think>warm colours first</think>red")
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: fake)
    cells = plan(session.experiment(RunOptions(str(tiny_task), model=("fake",), recipes=("zero_shot",))))
    outcome = run(cells, tmp_path / "results", progress=Progress())
    assert outcome.records[0].mean("exact") == 3 / 8
    ingest.sync(tmp_path / "results")
    with Store.open(tmp_path / "results") as store:
        (sample, *_) = queries.samples(store, outcome.folders[0].name)
    assert sample["thoughts"] == "warm colours first"
    tables.print_example(sample, searched=True)
    shown = capsys.readouterr().out
    assert f"thoughts ({sample['thought_tokens']} tokens)\nwarm colours first" in shown
    assert "passages\nnothing retrieved" in shown

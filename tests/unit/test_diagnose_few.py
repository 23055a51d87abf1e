"""A diagnosis of a small task says what it rests on, and claims no more than that carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.engines.fake import FakeEngine
from harness.evidence.triage import Probe, diagnose
from harness.runner.model_pool import ModelPool
from harness.tasks.load import load
from harness.workflows.diagnose import with_enough_dev
from tests.conftest import Harness


def _rows(file: Path, count: int) -> None:
    rows = [
        {"id": f"{file.stem}-{i}", "input": f"thing {file.stem} {i}", "target": ("red", "green")[i % 2]}
        for i in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


@pytest.mark.parametrize(
    ("train", "dev", "asked", "of_train"),
    [
        (60, 6, 30, 24),
        (60, 40, 40, 0),
        (12, 6, 6, 0),  # half of train would not be enough
        (400, 0, 80, 80),
        (100, 0, 30, 30),
        (20, 0, 10, 10),
    ],
)
def test_a_small_dev_split_is_filled_up_from_train(
    tiny_task: Path, train: int, dev: int, asked: int, of_train: int
) -> None:
    _rows(tiny_task / "train.jsonl", train)
    _rows(tiny_task / "dev.jsonl", dev)
    if not dev:
        (tiny_task / "dev.jsonl").unlink()
        settings = (tiny_task / "task.yaml").read_text("utf-8")
        (tiny_task / "task.yaml").write_text(settings.replace("dev: dev.jsonl, ", ""), "utf-8")
    task, held_out = with_enough_dev(load(tiny_task))
    assert (len(task.splits["dev"]), len(held_out)) == (asked, of_train)
    assert len(task.splits["train"]) == train - of_train
    assert held_out <= {example.id for example in task.splits["dev"]}
    assert not held_out & {example.id for example in task.splits["train"]}


def test_the_terminal_says_what_was_asked_and_what_is_needed(
    tiny_task: Path, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine("blue"))
    _, printed, _ = harness("diagnose", str(tiny_task), "--model", "fake", "-q")
    text = " ".join(printed.split())
    assert "colours · fake · 6 dev examples" in text
    assert "6 examples are too few to rely on: at least 30 are needed. As a hint only: " in text
    assert "To rely on it, add 24 labeled examples to dev, or 48 to train" in text
    assert "worth trying" not in text
    assert "not worth it" not in text
    _rows(tiny_task / "train.jsonl", 60)
    _, printed, _ = harness("diagnose", str(tiny_task), "--model", "fake", "-q")
    text = " ".join(printed.split())
    assert "30 examples: 6 of dev and 24 held out of train" in text
    assert "too few" not in text


def test_examples_that_a_limit_leaves_out_need_no_labels(
    tiny_task: Path, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine("blue"))
    _rows(tiny_task / "dev.jsonl", 40)
    _, printed, _ = harness("diagnose", str(tiny_task), "--model", "fake", "-q", "--limit", "10")
    text = " ".join(printed.split())
    assert "To rely on it, ask more of the 40 examples: --limit 30 or more, or no --limit." in text
    assert "labeled example" not in text


def test_nothing_lost_on_a_few_examples_is_not_certain() -> None:
    right = Probe(scores=(1.0,) * 6, failures=(None,) * 6)
    few = diagnose({"closed_book": right}, targets=["a"] * 6, train_targets=[], groups=[None] * 6)
    assert not few.certain
    assert "6 examples are too few to rely on" in few.sentence


def test_runs_of_earlier_data_are_not_counted_as_tried(
    tiny_task: Path, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelPool, "server", lambda self, spec: FakeEngine("blue"))
    words = (str(tiny_task), "--model", "fake", "-q")
    assert harness("run", *words, "--recipes", "few_shot_nearest")[0] == 0
    before = json.loads(harness("diagnose", *words, "--json")[1])["next_step"]
    _rows(tiny_task / "train.jsonl", 14)
    after = json.loads(harness("diagnose", *words, "--json")[1])["next_step"]
    assert ("few_shot_nearest" in before, "few_shot_nearest" in after) == (True, False), (before, after)

"""The same command after a kill in the middle of training: it goes on, and the run is the same run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.core.protocols import StepRecord
from harness.report.sections.training import _caption
from harness.results.records.run import RunRecord
from harness.runner.cells import Cell, plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.training.curve_diagnostics import diagnose
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions

KNOBS = ("per_device_train_batch_size=2", "save_steps=4", "lora_dropout=0.2", "learning_rate=0.01")


class Killed(Progress):
    """Ends the process's work at a step, as Ctrl-C or a kill would."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, cell: Cell, step: StepRecord) -> None:
        if step.step == self.at:
            raise KeyboardInterrupt


def cells(task: Path) -> list[Cell]:
    settings = tuple(f"weights.{knob}" for knob in KNOBS)
    return plan(
        session.experiment(
            RunOptions(str(task), model=("tiny",), recipes=("lora",), seeds=1, settings=settings)
        )
    )


def steps_of(folder: Path) -> list[StepRecord]:
    lines = (folder / "train_steps.jsonl").read_text().splitlines()
    return [replace(StepRecord(**json.loads(line)), seconds=0) for line in lines]


def test_training_goes_on_from_its_checkpoint(tiny_task: Path, tmp_path: Path) -> None:
    whole = run(cells(tiny_task), tmp_path / "whole", progress=Progress())
    for at in (7, 10):
        with pytest.raises(KeyboardInterrupt):
            run(cells(tiny_task), tmp_path / "cut", progress=Killed(at))
    (cut,) = [path for path in (tmp_path / "cut" / "runs").iterdir() if path.is_dir()]
    assert (cut / "weights" / "0" / "checkpoint" / "state.pt").is_file()
    again = run(cells(tiny_task), tmp_path / "cut", progress=Progress())
    expected, result = whole.records[0].raw, again.records[0].raw
    assert result["status"] == "done"
    assert result["metrics"] == expected["metrics"]
    assert steps_of(cut) == steps_of(whole.folders[0])
    assert [step.step for step in steps_of(cut)] == list(range(1, result["train"]["steps"] + 1))
    file = Path("weights") / "0" / "adapter_model.safetensors"
    assert (cut / file).read_bytes() == (whole.folders[0] / file).read_bytes()
    resumed = [note for note in result["train"]["notes"] if note.startswith("resumed")]
    assert [note.split()[6] for note in resumed] == ["4", "8"]
    # Nothing is left of the checkpoint, and it is not part of what would be shipped.
    assert not list(cut.rglob("checkpoint"))
    assert result["train"]["bytes"] == expected["train"]["bytes"]
    assert result["train"]["diagnosis"] == list(diagnose(steps_of(cut)))


def test_the_diagnosis_comes_first_under_the_picture_of_a_run() -> None:
    train = {
        "seconds": 3,
        "steps": 9,
        "trainable_parameters": 5,
        "total_parameters": 7,
        "dropped": [],
        "notes": [],
    }
    result = "nothing learned: the loss went from 2 to 2"
    run_ = SimpleNamespace(record=RunRecord.of({"train": {**train, "diagnosis": [result]}}))
    assert _caption(run_).startswith(f"Diagnosis: {result} · 3.0 s · 9 steps")  # type: ignore[arg-type]
    # Runs from before there was a diagnosis have none.
    assert "Diagnosis" not in _caption(SimpleNamespace(record=RunRecord.of({"train": train})))  # type: ignore[arg-type]

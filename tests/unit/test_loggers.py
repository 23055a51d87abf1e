"""Trackers: what they are told, that they cannot hurt a run, and the real ones where they are installed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.core.errors import ConfigError
from harness.core.kinds import names
from harness.core.protocols import StepRecord
from harness.results.records.run import RunRecord
from harness.runner.loggers._base import About, Logger, RunLog
from harness.runner.progress import Progress
from harness.runner.tracking import Feed, watched

RECORD = {
    "status": "done",
    "seconds": 3.5,
    "peak_memory_bytes": 1000,
    "metrics": {"exact": {"mean": 0.75, "n": 8}},
    "answer": {"latency_p50": 0.25, "latency_p95": None, "tokens_in_mean": 71.0, "tokens_out_mean": 9.0},
    "train": {"seconds": 2.0},
}
RESULT = {
    "test/exact": 0.75, "cost/seconds": 3.5, "cost/peak_memory_bytes": 1000.0, "cost/latency_p50": 0.25,
    "cost/tokens_in_mean": 71.0, "cost/tokens_out_mean": 9.0, "cost/train_seconds": 2.0,
}  # fmt: skip


class Recorder(RunLog):
    def __init__(self) -> None:
        self.steps: list[tuple[int, dict[str, float]]] = []
        self.result: dict[str, float] | None = None
        self.failed: bool | None = None

    def step(self, step: int, values: Mapping[str, float]) -> None:
        self.steps.append((step, dict(values)))

    def end(self, values: Mapping[str, float], *, failed: bool) -> None:
        self.result, self.failed = dict(values), failed


class Notebook(Logger):
    """A tracker that keeps everything."""

    def __init__(self, breaks_at: str = "") -> None:
        object.__setattr__(self, "runs", {})
        object.__setattr__(self, "breaks_at", breaks_at)

    def check(self) -> None:
        pass

    def start(self, about: About) -> RunLog:
        if self.breaks_at == "start":
            raise ConnectionError("no server")
        recorder = Recorder()
        if self.breaks_at == "step":
            recorder.step = lambda step, values: (_ for _ in ()).throw(OSError("disk full"))  # type: ignore[method-assign]
        self.runs[about.id] = (about, recorder)
        return recorder


def cell(name: str = "a-run") -> Any:
    described = {
        "recipe": {"name": "lora", "weights": [{"kind": "lora", "lora_r": 16, "target_modules": None}]},
        "seed": 1, "limit": None, "labels": 25, "key": f"key of {name}",
    }  # fmt: skip
    task = SimpleNamespace(name="colours")
    return SimpleNamespace(
        id=name, key=name, task=task, model="tiny", describe=lambda: RunRecord.of(described)
    )


def step(number: int, stage: str = "0", **values: Any) -> StepRecord:
    plain = {
        "epoch": 0.5,
        "loss": 2.0,
        "learning_rate": 1e-3,
        "grad_norm": 1.5,
        "tokens": 100,
        "seconds": 0.5,
    }
    return StepRecord(step=number, stage=stage, **{**plain, **values})


def test_a_run_is_told_from_its_settings_to_its_result(tmp_path: Path) -> None:
    notebook = Notebook()
    with Feed(notebook, tmp_path) as feed:
        feed.state(cell(), "training")
        feed.step(cell(), step(1))
        feed.step(cell(), step(2, dev_loss=1.25, dev_score=0.5))
        feed.step(cell(), step(1, stage="1"))
        feed.finished(cell(), RunRecord.of(RECORD), fresh=True)
    about, run = notebook.runs["a-run"]
    assert about.config == {
        "recipe.name": "lora", "recipe.weights.0.kind": "lora", "recipe.weights.0.lora_r": 16,
        "seed": 1, "labels": 25, "key": "key of a-run", "task": "colours", "model": "tiny",
    }  # fmt: skip
    assert [number for number, _ in run.steps] == [1, 2, 3]
    assert run.steps[0][1]["train/tokens_per_second"] == 200
    assert "dev/loss" not in run.steps[0][1]
    assert (run.steps[1][1]["dev/loss"], run.steps[1][1]["dev/score"]) == (1.25, 0.5)
    assert (run.result, run.failed) == (RESULT, False)


def test_what_was_complete_before_is_not_told_again(tmp_path: Path) -> None:
    notebook = Notebook()
    with Feed(notebook, tmp_path) as feed:
        feed.finished(cell(), RunRecord.of(RECORD), fresh=False)
    assert notebook.runs == {}


def test_failed_and_interrupted_runs_end_as_failed(tmp_path: Path) -> None:
    notebook = Notebook()
    feed = Feed(notebook, tmp_path)
    failed = RunRecord.of({**RECORD, "status": "failed", "metrics": {}, "answer": None, "train": None})
    feed.state(cell("one"), "training")
    feed.finished(cell("one"), failed, fresh=True)
    feed.state(cell("two"), "training")
    with pytest.raises(KeyboardInterrupt), feed:
        raise KeyboardInterrupt
    assert {name: run.failed for name, (_, run) in notebook.runs.items()} == {"one": True, "two": True}


@pytest.mark.parametrize("moment", ["start", "step"])
def test_a_tracker_that_breaks_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    with caplog.at_level(logging.WARNING), Feed(Notebook(moment), tmp_path) as feed:
        for number in (1, 2, 3):
            feed.step(cell(), step(number))
        feed.finished(cell(), RunRecord.of(RECORD), fresh=True)
    assert len(caplog.messages) == 1
    assert "the run continues" in caplog.messages[0]


def test_off_by_default(tmp_path: Path) -> None:
    progress = Progress()
    assert watched(progress, (), tmp_path) is progress


def test_unknown_tracker_and_missing_package_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'mlflow'"):
        watched(Progress(), ["mlfow"], tmp_path)
    for name, module in (
        ("wandb", "wandb"),
        ("trackio", "trackio"),
        ("mlflow", "mlflow"),
        ("tensorboard", "tensorboard.summary"),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ConfigError, match=f"pip install {name}"):
            watched(Progress(), [name], tmp_path)
    assert set(names("loggers")) == {"mlflow", "tensorboard", "trackio", "wandb"}


def told(progress: Progress) -> None:
    """The same two steps and result to whatever is behind."""
    with progress:
        progress.state(cell(), "training")
        progress.step(cell(), step(1, loss=2.0))
        progress.step(cell(), step(2, loss=1.0, dev_loss=1.25))
        progress.finished(cell(), RunRecord.of(RECORD), fresh=True)


def test_tensorboard_reads_back_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    told(watched(Progress(), ["tensorboard"], tmp_path))
    events = EventAccumulator(str(tmp_path / "tensorboard" / "harness" / "a-run")).Reload()
    assert [event.step for event in events.Tensors("train/loss")] == [1, 2]
    losses = [float(make_ndarray(event.tensor_proto)) for event in events.Tensors("train/loss")]
    assert losses == [2.0, 1.0]
    assert {"dev/loss", "test/exact", "cost/seconds"} <= set(events.Tags()["tensors"])


def test_mlflow_reads_back_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    told(watched(Progress(), ["mlflow"], tmp_path))
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("harness")
    run = client.search_runs([experiment.experiment_id])[0]
    assert run.info.status == "FINISHED"
    assert run.data.params["recipe.weights.0.lora_r"] == "16"
    assert run.data.metrics["test/exact"] == 0.75
    assert [m.value for m in client.get_metric_history(run.info.run_id, "train/loss")] == [2.0, 1.0]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_run_based_trackers_are_called_as_their_packages_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    calls: list[tuple[str, Any]] = []
    run = SimpleNamespace(
        log=lambda values, step=None: calls.append((f"log {step}", values)),
        summary=SimpleNamespace(update=lambda values: calls.append(("summary", values))),
        finish=lambda exit_code=0: calls.append((f"finish {exit_code}", None)),
    )
    begun: list[dict[str, Any]] = []
    current = SimpleNamespace(set=lambda run: calls.append(("current", run)))
    package = SimpleNamespace(
        init=lambda **given: (print("hello"), begun.append(given), run)[-1],
        finish=lambda: run.finish(),
        context_vars=SimpleNamespace(current_run=current),
    )
    monkeypatch.setitem(sys.modules, name, package)
    told(watched(Progress(), [{"kind": name, "project": "mine"}], tmp_path))
    assert (begun[0]["project"], begun[0]["name"], begun[0]["group"]) == ("mine", "a-run", "colours")
    assert begun[0]["config"]["recipe.weights.0.lora_r"] == 16
    words = [word for word, _ in calls]
    assert words[:2] == ["log 1", "log 2"]
    assert words[-1] == "finish 0"
    assert RESULT.items() <= calls[2][1].items()
    assert capsys.readouterr().out == ""

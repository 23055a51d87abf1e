"""Two processes on the CPU (gloo) train as one process with twice the batch does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.cli import main
from harness.core.errors import ConfigError
from harness.training.distributed import ProcessGroup, started
from tests.unit.training_processes import start, together, train

FAST = {"learning_rate": 3e-3, "num_train_epochs": 3}


def launch(folder: Path, spec: dict[str, Any], size: int = 2) -> list[dict[str, Any]]:
    if size == 1:
        train(folder, spec)
    else:
        together(train, (folder, spec), size)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def test_two_processes_have_the_loss_curve_of_one_with_twice_the_batch(tmp_path: Path) -> None:
    # 21 lessons: the last step has 5, so the two shares differ; two evaluations in an epoch.
    spec = {"kind": "full", **FAST, "lessons": 21, "eval_per_epoch": 2, "ema_decay": 0.5, "save_steps": 2}
    halves = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    (one,) = launch(tmp_path / "one", {**spec, "per_device_train_batch_size": 8}, size=1)
    first, second = launch(tmp_path / "two", {**spec, **halves})
    assert len(first["steps"]) == len(one["steps"]) == 9
    for ours, theirs in zip(first["steps"], one["steps"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-3)
        assert ours["tokens"] == theirs["tokens"]
        assert ours["dev_score"] == theirs["dev_score"]
        if theirs["dev_loss"] is not None:
            assert ours["dev_loss"] == pytest.approx(theirs["dev_loss"], rel=1e-3)
    assert (first["best"], second["best"]) == (one["best"], one["best"])
    # Only the first process evaluates and reports; both end with the same weights.
    assert (second["steps"], second["asked"]) == ([], 0)
    assert second["weights"] == first["weights"]
    assert first["weights"] == pytest.approx(one["weights"], rel=1e-3, abs=1e-2)


def test_two_processes_of_lora_with_dropout_draw_different_noise_and_keep_one_model(tmp_path: Path) -> None:
    spec = {"kind": "lora", **FAST, "lora_dropout": 0.3, "lessons": 16, "num_train_epochs": 1}
    first, second = launch(tmp_path / "two", spec)
    assert first["weights"] == second["weights"]
    assert first["steps"][-1]["loss"] > 0


def test_a_share_takes_every_row_once() -> None:
    rows = list(range(11))
    for size in (1, 2, 3, 16):
        shares = [ProcessGroup(rank, size).share(rows) for rank in range(size)]
        assert sorted(row for share in shares for row in share) == rows
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_group_of_one_does_nothing() -> None:
    group, tensor = ProcessGroup(), torch.ones(3)
    group.all_reduce_sum([tensor])
    group.broadcast_tensors([tensor])
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    assert (group.total(2.5, "cpu"), group.broadcast(lambda: 7), group.all_gather(3)) == (2.5, 7, [3])


def _arguments(task: Path, results: Path, *settings: str) -> list[str]:
    knobs = [f"--set=weights.{knob}" for knob in ("per_device_train_batch_size=4", "save_steps=2", *settings)]
    named = ["run", str(task), "--model=tiny", "--recipes=zero_shot,lora", "--seeds=1", "--quiet", *knobs]
    return [*named, f"--results={results}", f"--report={results / 'report.html'}"]


def _command(task: Path, results: Path) -> None:
    sys.argv = ["harness", *_arguments(task, results)]
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_accelerate_launch_divides_the_network_and_gives_the_run_of_one_process(
    tiny_task: Path, tmp_path: Path
) -> None:
    start(_command, tiny_task, tmp_path / "one").join(240)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"]
    command = ["--module", "harness", *_arguments(tiny_task, tmp_path / "two", "sharding=full")]
    line = [*launcher, "--main_process_port=0", *command]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    one, two = (
        {p.name: p for p in (tmp_path / name / "runs").iterdir() if p.is_dir()} for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for name in one:
        records = [json.loads((folder / "run.json").read_text()) for folder in (one[name], two[name])]
        assert [record["status"] for record in records] == ["done", "done"]
        assert len((two[name] / "samples.jsonl").read_text().splitlines()) == 8
        if "lora" in name:
            curves = [_losses(folder / "train_steps.jsonl") for folder in (one[name], two[name])]
            assert curves[1] == pytest.approx(curves[0], rel=1e-3)
            assert len(curves[1]) == records[1]["train"]["steps"]
            assert any("divided over 2 processes" in note for note in records[1]["train"]["notes"])


def test_accelerate_on_the_cpu_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ConfigError, match="does not start several processes"):
        started()
    monkeypatch.delenv("MASTER_PORT")
    assert started() == 1


def _losses(path: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in path.read_text().splitlines()]

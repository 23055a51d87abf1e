"""Two processes on the CPU (gloo) train as one process with twice the batch does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.training.processes import Group
from tests.unit.training_processes import together, train

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
        shares = [Group(rank, size).share(rows) for rank in range(size)]
        assert sorted(row for share in shares for row in share) == rows
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_group_of_one_does_nothing() -> None:
    group, tensor = Group(), torch.ones(3)
    group.add_up([tensor])
    group.copy_from_lead([tensor])
    assert tensor.tolist() == [1.0, 1.0, 1.0]
    assert (group.total(2.5, "cpu"), group.told(lambda: 7), group.gathered(3)) == (2.5, 7, [3])

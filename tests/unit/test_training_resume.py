"""Nothing is lost: a training that is killed or raises goes on to the same weights, bit for bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.errors import RunError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord, TrainingResult
from harness.training import loop
from harness.training.checkpoint import NAME, forget
from harness.training.loss import response_loss
from harness.training.settings import TrainingSettings
from tests.unit.training_kit import context, lessons, model, rows
from tests.unit.training_processes import start

SPECS: list[dict[str, Any]] = [
    {"kind": "lora", "lora_dropout": 0.3, "neftune_noise_alpha": 5.0},
    {"kind": "full", "ema_decay": 0.9, "lr_scheduler_type": "cosine", "weight_decay": 0.1},
    {"kind": "full", "optim": "adamw_8bit"},
    {"kind": "lora", "eval_per_epoch": 2, "early_stopping_patience": 6},
]
FAST = {"learning_rate": 1e-2, "num_train_epochs": 3, "save_steps": 2, "per_device_train_batch_size": 4}


def train(
    spec: dict[str, Any],
    folder: Path,
    on_step: Callable[[StepRecord], None] = lambda _: None,
    dtype: str = "float32",
    count: int = 16,
) -> tuple[TrainingResult, dict[str, torch.Tensor]]:
    of = build("base", {"kind": "plain", "dtype": dtype}).load("tiny")
    wide = replace(context(folder, dev=lessons(4), dev_score=_dev_score), on_step=on_step)
    kind = build("weights", FAST | spec)
    result = kind.train(of, lessons(count), wide)
    return result, {name: p.detach().clone() for name, p in result.model.network.named_parameters()}


def _dev_score(of: LanguageModel) -> float:
    """A score that rises and falls, and draws random numbers as sampled answers would."""
    torch.rand(1)
    with torch.no_grad():
        return sum(float(p.sum()) for p in of.network.parameters()) % 1


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("stop", [3, 7, 10])
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_raising_in_the_middle_and_going_on_gives_the_same_weights(
    tmp_path: Path, spec: dict[str, Any], stop: int
) -> None:
    whole: list[StepRecord] = []
    expected, weights = train(spec, tmp_path / "whole", whole.append)
    seen: list[StepRecord] = []

    def interrupt(step: StepRecord) -> None:
        seen.append(step)
        if step.step == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", interrupt)
    after: list[StepRecord] = []
    found, resumed = train(spec, tmp_path / "cut", after.append)
    assert equal(resumed, weights)
    saved = (stop - 1) // 2 * 2
    assert [step.step for step in after] == list(range(saved + 1, expected.steps + 1))
    joined = [step for step in seen if step.step <= saved] + after
    assert [replace(step, seconds=0) for step in joined] == [replace(step, seconds=0) for step in whole]
    assert (found.steps, found.tokens, found.best_step) == (
        expected.steps,
        expected.tokens,
        expected.best_step,
    )
    assert f"resumed from the checkpoint of step {saved} of 12" in found.notes


def test_bfloat16_weights_resume_with_their_float32_masters(tmp_path: Path) -> None:
    def interrupt(step: StepRecord) -> None:
        if step.step == 5:
            raise KeyboardInterrupt

    spec = {"kind": "full", "learning_rate": 1e-3}
    _, weights = train(spec, tmp_path / "whole", dtype="bfloat16")
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", interrupt, dtype="bfloat16")
    assert equal(train(spec, tmp_path / "cut", dtype="bfloat16")[1], weights)


def _killed(folder: Path) -> None:
    def kill(step: StepRecord) -> None:
        if step.step == 8:
            os.kill(os.getpid(), signal.SIGKILL)

    train(SPECS[0], folder, kill)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_9_and_going_on_gives_the_same_weights(tmp_path: Path) -> None:
    process = start(_killed, tmp_path / "cut")
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    steps: list[StepRecord] = []
    _, resumed = train(SPECS[0], tmp_path / "cut", steps.append)
    assert steps[0].step == 7
    assert equal(resumed, train(SPECS[0], tmp_path / "whole")[1])


def test_a_checkpoint_that_is_half_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, calls = torch.save, []

    def cut(value: object, stream: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            stream.write(b"half")
            raise OSError("no space left on device")
        honest(value, stream)

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(OSError, match="no space"):
        train(SPECS[0], tmp_path)
    monkeypatch.setattr(torch, "save", honest)
    steps: list[StepRecord] = []
    train(SPECS[0], tmp_path, steps.append)
    assert steps[0].step == 3


@pytest.mark.parametrize("change", [{"learning_rate": 5e-3}, {"lora_r": 4}, {"count": 12}])
def test_the_checkpoint_of_another_training_is_not_resumed(tmp_path: Path, change: dict[str, Any]) -> None:
    def interrupt(step: StepRecord) -> None:
        if step.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train({"kind": "lora"}, tmp_path, interrupt)
    steps: list[StepRecord] = []
    count = change.pop("count", 16)
    train({"kind": "lora"} | change, tmp_path, steps.append, count=count)
    assert steps[0].step == 1


def test_the_checkpoint_stays_until_the_stage_is_saved(tmp_path: Path) -> None:
    train(SPECS[0], tmp_path)
    assert (tmp_path / NAME / "state.pt").is_file()
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
    train({"kind": "lora", "save_steps": 0}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_how_often_it_is_saved_is_no_part_of_the_key() -> None:
    kind = build("weights", "lora")
    assert kind.replace(save_steps=3).identity() == kind.identity()
    assert kind.replace(activation_checkpointing=True).identity() != kind.identity()
    assert kind.replace(ema_decay=0.9).identity() != kind.identity()
    assert kind.replace(packing=True).identity() != kind.identity()
    # A knob that was added later leaves the keys of finished runs as they are.
    assert {"ema_decay", "packing", "save_steps"}.isdisjoint(kind.identity())


def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, calls = loop.Gradient.of, []

    def spoilt(self: Any, rows: Any, step: int) -> float:
        calls.append(1)
        return float("nan") if len(calls) == 6 else honest(self, rows, step)

    monkeypatch.setattr(loop.Gradient, "of", spoilt)
    with pytest.raises(RunError) as caught:
        train({"kind": "lora", "eval_per_epoch": 1}, tmp_path)
    said = str(caught.value)
    assert "loss is nan at step 6 of 12 (training examples l" in said
    assert f"the weights of step 4 are in {tmp_path / NAME / 'best-4.safetensors'}" in said
    assert f"the last good checkpoint, of step 4, is {tmp_path / NAME / 'state.pt'}" in said
    assert (tmp_path / NAME / "best-4.safetensors").is_file()


MESSAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", MESSAGES, ids=lambda error: type(error).__name__)
def test_out_of_memory_halves_the_batch_and_keeps_the_gradient(tmp_path: Path, error: Exception) -> None:
    settings = TrainingSettings(
        per_device_train_batch_size=8, num_train_epochs=2, warmup_steps=0, learning_rate=1e-3
    )
    most: list[int] = []

    def tight(network: Any, batch: Any) -> torch.Tensor:
        value = response_loss(network, batch)
        if len(batch.rows) > 3:
            raise error
        most.append(len(batch.rows))
        return value

    runs = {}
    for name, loss in (("roomy", response_loss), ("tight", tight)):
        of, steps = model(), list[StepRecord]()
        some = rows(24, of)
        done = loop.fit(of, some, some[:8], settings, context(tmp_path / name, steps), loss)
        runs[name] = (done, steps)
    assert max(most) == 2
    assert runs["tight"][0].notes[:2] == (
        "out of memory at step 1: 4 rows at once instead of 8, and as many more batches in a step; "
        "the gradient is the same",
        "out of memory at step 1: 2 rows at once instead of 4, and as many more batches in a step; "
        "the gradient is the same",
    )
    for ours, theirs in zip(runs["tight"][1], runs["roomy"][1], strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
        assert ours.grad_norm == pytest.approx(theirs.grad_norm, rel=1e-3)
        assert ours.dev_loss == (
            None if theirs.dev_loss is None else pytest.approx(theirs.dev_loss, rel=1e-4)
        )


def test_out_of_memory_with_a_single_row_says_what_to_do(tmp_path: Path) -> None:
    def hungry(network: Any, batch: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    of = model()
    settings = build("weights", "full")
    with pytest.raises(RunError, match=r"out of memory at step 1 with a single row .* lower max_length"):
        loop.fit(of, rows(4, of), [], settings, context(tmp_path), hungry)


def test_another_runtime_error_is_not_taken_for_a_lack_of_memory(tmp_path: Path) -> None:
    def broken(network: Any, batch: Any) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    of = model()
    with pytest.raises(RuntimeError, match="mat1"):
        loop.fit(of, rows(4, of), [], build("weights", "full"), context(tmp_path), broken)


def test_one_row_that_is_too_much_turns_activation_checkpointing_on(tmp_path: Path) -> None:
    from harness.training.activation_checkpointing import recomputes

    settings = TrainingSettings(per_device_train_batch_size=2, num_train_epochs=1, learning_rate=1e-3)

    def tight(network: Any, batch: Any) -> torch.Tensor:
        if not recomputes(network):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return response_loss(network, batch)

    runs = {}
    for name, loss in (("roomy", response_loss), ("tight", tight)):
        of, steps = model(), list[StepRecord]()
        runs[name] = (loop.fit(of, rows(8, of), [], settings, context(tmp_path / name, steps), loss), steps)
        assert not recomputes(of.network.train()), "the network is left as it was"
    notes = runs["tight"][0].notes
    assert any("activation_checkpointing is on from here" in note for note in notes)
    assert sum("out of memory" in note for note in notes) == 2, "what did not fit is not tried again"
    for ours, theirs in zip(runs["tight"][1], runs["roomy"][1], strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)

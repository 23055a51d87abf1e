"""Masters in two bytes beside bfloat16 parameters are float32 masters to the last bit; halves round away from zero."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import StepRecord
from harness.estimate import memory
from harness.models.dimensions import shape
from harness.training import distributed, optimizer, returned_memory, split_masters
from harness.training.ema import Average
from harness.training.masters import Master
from harness.training.optimizer import Optimizer
from harness.training.settings import TrainingSettings
from harness.training.split_masters import Room, SplitMaster, can_be_split
from tests.unit.training_kit import context, lessons, model
from tests.unit.training_processes import together

LOWER_HALVES = (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
FAST = {"learning_rate": 1e-3, "per_device_train_batch_size": 4, "num_train_epochs": 2, "save_steps": 2}


def bits(value: torch.Tensor) -> torch.Tensor:
    return value.detach().contiguous().view(torch.int16 if value.dtype == torch.bfloat16 else torch.int32)


def edges() -> torch.Tensor:
    """Every upper half, so infinities, numbers that are none, both zeros and subnormal ones too, with lower halves on
    both sides of a tie; and a million numbers at random."""
    upper = torch.arange(-(2**15), 2**15, dtype=torch.int32) << 16
    drawn = torch.randint(-(2**31), 2**31, (10**6,), generator=torch.Generator().manual_seed(0))
    return torch.cat([drawn.int(), *(upper | lower for lower in LOWER_HALVES)]).view(torch.float32)


def rounded(value: torch.Tensor) -> torch.Tensor:
    """The nearest bfloat16 number as torch finds it, ties away from zero: a tie is moved by one bit of float32."""
    tie = value.isfinite() & (bits(value) & 0xFFFF == 0x8000).view(value.shape)
    return torch.where(tie, bits(value) + 1, bits(value)).view(value.shape).view(torch.float32).bfloat16()


class Whole(Master):
    """A float32 copy beside the parameter, which is rounded as a split master's is."""

    def end(self) -> None:
        if self.variable is not self.parameter:
            self.parameter.detach().copy_(rounded(self.variable.detach()))


@pytest.mark.parametrize("at_once", [1 << 10, 1 << 24])
def test_every_float32_number_comes_back_and_the_parameter_is_rounded_to_nearest(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_masters, "_AT_ONCE", {"cpu": at_once})
    value = edges()
    master = SplitMaster(torch.nn.Parameter(torch.zeros(len(value), dtype=torch.bfloat16)))
    master.assign(value)
    number = ~value.isnan()
    assert torch.equal(bits(master.value())[number], bits(value)[number])
    assert torch.equal(bits(master.parameter)[number], bits(rounded(value))[number])
    assert bool(master.value()[~number].isnan().all())
    assert bool(master.parameter[~number].isnan().all()), "a GPU's NaN would round to zero"


def test_an_update_rounds_what_an_assignment_does_and_keeps_a_processors_nan() -> None:
    value = edges()
    value = torch.cat([value[value.isfinite()], torch.tensor([torch.inf, -torch.inf, torch.nan])])
    assigned, updated = (
        SplitMaster(torch.nn.Parameter(torch.zeros(len(value), dtype=torch.bfloat16))) for _ in range(2)
    )
    assigned.assign(value)
    pieces = value.split(split_masters.at_once(value.device))
    updated.update(lambda piece, number: piece.copy_(pieces[number]))  # type: ignore[arg-type, return-value]
    assert torch.equal(bits(assigned.parameter), bits(updated.parameter))
    assert torch.equal(bits(assigned.value()), bits(updated.value()))
    assert bool(updated.parameter[-1].isnan())


def test_a_fresh_master_is_its_parameter_and_of_no_size() -> None:
    parameter = torch.nn.Parameter(torch.randn(7, 5).bfloat16())
    before = parameter.detach().clone()
    master = SplitMaster(parameter)
    assert torch.equal(master.value(), before.float())
    for _ in range(2):
        assert master.variable.shape == (7, 5)
        assert master.variable.untyped_storage().nbytes() == 4
        assert bool(master.variable.isnan().all()), "whoever reads it has to notice"
        master.begin(torch.empty(35))
        assert torch.equal(master.variable, before.float())
        master.end()
    assert torch.equal(parameter, before)


def test_only_bfloat16_parameters_that_lie_in_order_are_split() -> None:
    weight = torch.randn(4, 3)
    assert can_be_split(weight.bfloat16())
    assert not any(map(can_be_split, (weight, weight.half(), weight.bfloat16().t())))


def learned(accumulated: int, **settings: Any) -> tuple[list[torch.Tensor], list[torch.Tensor], float]:
    """Parameters and masters after four updates, and the norm of the last gradient."""
    torch.manual_seed(0)
    shapes = ((70, 64), (64,), (9, 5), (0,), (3,))
    parameters = [torch.nn.Parameter(torch.randn(shape).bfloat16()) for shape in shapes]
    parameters.append(torch.nn.Parameter(torch.randn(4, 4)))
    mine = Optimizer(parameters, TrainingSettings(weight_decay=0.1, **settings))
    for _ in range(4):
        for _ in range(accumulated):
            # The one before the last has no gradient.
            sum((p.float() ** 2).sum() for p in [*parameters[:-2], parameters[-1]]).backward()  # type: ignore[union-attr]
        norm = mine.step(0.01)
    return [p.detach() for p in parameters], [value.clone() for value in mine.masters], norm


@pytest.mark.parametrize("optim", ["adamw", "adamw_8bit"])
@pytest.mark.parametrize("limit", [0.5, 1e6])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_updates_are_those_of_whole_masters(
    accumulated: int, limit: float, optim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizer, "_WIDENED", 50)
    settings: dict[str, Any] = {"max_grad_norm": limit, "optim": optim}
    ours = learned(accumulated, **settings)
    monkeypatch.setattr(optimizer, "_master", Whole)
    theirs = learned(accumulated, **settings)
    assert all(map(torch.equal, ours[0], theirs[0]))
    assert all(map(torch.equal, ours[1], theirs[1]))
    assert ours[2] == theirs[2]
    assert not torch.equal(ours[0][0].float(), ours[1][0]), "masters have more bits than parameters"


def test_an_update_has_the_masters_of_one_portion_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "_WIDENED", 64)
    parameters = [torch.nn.Parameter(torch.ones(size).bfloat16()) for size in (100, 16, 16, 16, 16, 16, 16)]
    mine = Optimizer(parameters, TrainingSettings(optim="adamw_8bit"))
    sum(p.float().sum() for p in parameters).backward()  # type: ignore[union-attr]
    present: list[tuple[int, int]] = []
    step = mine._adam.step

    def watched() -> None:
        whole = [one.size for one in mine._masters if one.variable.untyped_storage().nbytes() > 4]
        present.append((sum(whole), len(mine._gradients)))
        step()

    monkeypatch.setattr(mine._adam, "step", watched)
    mine.step(0.01)
    assert present == [(64, 3), (32, 1), (100, 0)], "the largest comes last, when no other gradient is left"
    assert all(one.variable.untyped_storage().nbytes() == 4 for one in mine._masters)


def test_updates_in_pieces_are_those_of_torch_over_whole_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces begin within a vector register's width, ties and all; the gradient is transposed in memory."""
    monkeypatch.setattr(split_masters, "_AT_ONCE", {"cpu": 1 << 6})
    value = edges()[-6 * 2**16 :]
    value = value[value.isfinite() & (value.abs() < 1e30)][: 2**18].view(2**9, 2**9)
    value.view(-1)[::1000] = torch.tensor(0x3F808000, dtype=torch.int32).view(
        torch.float32
    )  # a tie that rounds down
    parameter, whole = (
        torch.nn.Parameter(torch.zeros_like(value, dtype=torch.bfloat16)),
        torch.nn.Parameter(value),
    )
    mine = Optimizer([parameter], TrainingSettings(weight_decay=0.1, max_grad_norm=1.0))
    mine._masters[0].assign(value.detach().clone())
    theirs = torch.optim.AdamW([whole], lr=0.01, weight_decay=0.1, fused=True)
    for seed in range(3):
        gradient = torch.randn(2**9, 2**9, generator=torch.Generator().manual_seed(seed)).bfloat16().t()
        (parameter * gradient).sum().backward()
        norm = mine.step(0.01)
        whole.grad = gradient.float().contiguous()
        total = torch.linalg.vector_norm(whole.grad)
        assert norm == pytest.approx(float(total), rel=1e-5)
        torch.nn.utils.clip_grads_with_norm_([whole], 1.0, torch.tensor(norm))
        theirs.step()
        assert torch.equal(next(iter(mine.masters)), whole)
        assert torch.equal(parameter, rounded(whole.detach()))


def test_room_is_used_again_and_grows_when_it_has_to() -> None:
    room = Room(10)
    small = [SplitMaster(torch.nn.Parameter(torch.ones(size).bfloat16())) for size in (4, 0, 5)]
    first, second = room.divided(small), room.divided(small[::-1])
    assert [len(one) for one in first] == [4, 0, 5]
    assert [len(one) for one in second] == [5, 0, 4]
    assert first[0].data_ptr() == second[0].data_ptr()
    assert {one.dtype for one in first} == {torch.float32}
    assert first[2].data_ptr() == first[0].data_ptr() + 16, "side by side"
    assert [len(one) for one in room.divided(2 * small)] == [4, 0, 5, 4, 0, 5]
    elsewhere = SplitMaster(torch.nn.Parameter(torch.ones(3, device="meta").bfloat16()))
    devices = [one.device.type for one in room.divided([small[0], elsewhere, small[2]])]
    assert devices == ["cpu", "meta", "cpu"]


def test_the_average_is_in_place_for_a_while_and_the_masters_stay() -> None:
    parameter = torch.nn.Parameter(torch.randn(40, 30).bfloat16())
    mine = Optimizer([parameter], TrainingSettings())
    average = Average(mine, 0.9)
    for _ in range(3):
        (parameter.float() ** 2).sum().backward()
        mine.step(0.01)
        average.update()
    weights, (master,) = parameter.detach().clone(), mine.masters
    with average.in_place():
        assert torch.equal(parameter, average.values[0].bfloat16())
        assert not torch.equal(parameter, weights)
    assert torch.equal(parameter, weights)
    assert torch.equal(next(iter(mine.masters)), master)


def trained(folder: Path, stop: int = 0, **spec: Any) -> tuple[list[StepRecord], dict[str, torch.Tensor]]:
    steps: list[StepRecord] = []

    def on_step(step: StepRecord) -> None:
        steps.append(replace(step, seconds=0))
        if step.step == stop:
            raise KeyboardInterrupt

    of = build("base", {"kind": "plain", "dtype": "bfloat16"}).load("tiny")
    wide = replace(context(folder, dev=lessons(4)), on_step=on_step)
    build("weights", {"kind": "full", **FAST, **spec}).train(of, lessons(16), wide)
    return steps, {name: p.detach().clone() for name, p in of.network.named_parameters()}


@pytest.mark.parametrize(
    "spec", [{}, {"ema_decay": 0.9, "eval_per_epoch": 2}, {"optim": "adamw_8bit"}], ids=str
)
def test_a_checkpoint_of_whole_masters_goes_on_with_split_ones_to_the_same_weights(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the whole training has the same losses and weights with either."""
    steps, weights = trained(tmp_path / "split", **spec)
    with monkeypatch.context() as earlier:
        earlier.setattr(optimizer, "_master", Whole)
        expected, whole = trained(tmp_path / "whole", **spec)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "cut", stop=5, **spec)
    assert steps == expected
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    saved = torch.load(tmp_path / "cut" / "checkpoint" / "state.pt", weights_only=True)
    assert {value.dtype for value in saved["optimizer"]["masters"]} == {torch.float32}
    rest, resumed = trained(tmp_path / "cut", **spec)
    assert rest == expected[4:]
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def _in_two_processes(folder: Path) -> None:
    results = {}
    for sharding in ("none", "full"):
        steps, weights = trained(folder / sharding, sharding=sharding)
        results[sharding] = [[s.loss for s in steps], sum(p.double().sum().item() for p in weights.values())]
    (folder / f"{distributed.group().rank}.json").write_text(json.dumps(results))


def test_two_processes_with_whole_or_divided_networks_learn_what_one_does(tmp_path: Path) -> None:
    steps, _ = trained(tmp_path / "one")
    together(_in_two_processes, (tmp_path,), 2)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for sharding in ("none", "full"):
        losses, weights = first[sharding]
        assert losses == pytest.approx([step.loss for step in steps], rel=0.02)
        assert second[sharding][1] == weights


@pytest.mark.parametrize("number", ["float32", "bfloat16", "float16"])
def test_the_estimate_counts_what_masters_take(number: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(8, 8, dtype=getattr(torch, number)))
    master = optimizer._master(parameter)
    kept = master._lower if isinstance(master, SplitMaster) else master.variable
    work = memory.Work(tokens=1, loss_tokens=1, rows=1, length=1)
    base, stage = build("base", "plain"), build("weights", "full")
    counted = memory.training(shape("tiny"), base, number, work, stage, parameter.numel(), 0)
    assert counted.masters == (0 if kept is parameter else kept.numel() * kept.element_size())


def test_memory_goes_back_every_few_steps_where_gradients_are_many_and_else_in_each_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = model().network.requires_grad_(True)
    parameters = list(network.parameters())
    total = sum(p.numel() * p.element_size() for p in parameters)

    def returns() -> int:
        times: list[int] = []
        with returned_memory.returned_memory(network, parameters, lambda: times.append(1)) as give_back:
            for _ in range(4):
                network(input_ids=torch.tensor([[1, 2, 3]]), use_cache=False).logits.sum().backward()
                for _ in ("before the update", "after it"):
                    give_back()
        return len(times)

    monkeypatch.setattr(returned_memory, "_MANY", total - 1)
    assert returns() == 4 // returned_memory._STEPS
    monkeypatch.setattr(returned_memory, "_MANY", total)
    assert returns() == 4 * (2 + 2 * returned_memory._RETURNS)


def test_the_norm_of_a_large_gradient_is_that_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    gradients = [torch.randn(size).bfloat16() for size in ((50, 30), (40,), (7, 11, 3))]
    expected = torch.cat([one.double().flatten() for one in gradients]).norm().item()
    for widened in (1, 64, 10**6):
        monkeypatch.setattr(optimizer, "_WIDENED", widened)
        parameters = [torch.nn.Parameter(torch.zeros_like(one)) for one in gradients]
        mine = Optimizer(parameters, TrainingSettings())
        sum((p * one).sum() for p, one in zip(parameters, gradients, strict=True)).backward()  # type: ignore[union-attr]
        assert mine.step(0.0) == pytest.approx(expected, rel=1e-6)

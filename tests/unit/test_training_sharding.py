"""A network divided over two processes (FSDP2, gloo on the CPU) learns what a whole one learns in one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from safetensors.torch import load_file

from harness.core.errors import ConfigError, RunError
from harness.core.kinds import build
from harness.models.layers import weights_io
from harness.training import distributed
from harness.training.checkpoint import Checkpoint
from harness.training.distributed import ProcessGroup
from harness.training.fsdp import ShardedModel, learner, part, whole
from harness.training.gradient_accumulation import Gradient
from harness.training.settings import TrainingSettings
from tests.unit.training_kit import model
from tests.unit.training_processes import together, train

# 21 lessons: the last step has 5 rows, so that one process computes a row for nothing.
FAST = {"learning_rate": 3e-3, "num_train_epochs": 2, "per_device_train_batch_size": 2}
FAST |= {"gradient_accumulation_steps": 4, "save_steps": 2, "lessons": 21}
FULL: dict[str, Any] = {"kind": "full", **FAST, "packing": True, "ema_decay": 0.5, "eval_per_epoch": 2}
LORA: dict[str, Any] = {"kind": "lora", **FAST}
# The score of the tests' dev set counts how often it was asked, so it does not go on where it was.
LAST: dict[str, Any] = {"kind": "full", **FAST, "ema_decay": 0.5, "eval_per_epoch": 0}
DRAWN = {**LAST, "neftune_noise_alpha": 5.0, "activation_checkpointing": True}
SPECS = {"full": FULL, "lora": LORA}


def _learn(folder: Path, spec: dict[str, Any]) -> dict[str, torch.Tensor]:
    result = train(folder, spec)
    weights = {name: p.detach().clone() for name, p in result.model.network.named_parameters()}
    weights_io.save(weights, folder / f"{distributed.group().rank}.safetensors")
    (folder / "notes.json").write_text(json.dumps(result.notes))
    return weights


def _cut(folder: Path, spec: dict[str, Any]) -> None:
    """Train until the checkpoint of step 4 is written."""
    save = Checkpoint.save

    def last(self: Checkpoint, state: Any, *learnt: Any) -> None:
        save(self, state, *learnt)
        if state.step == 4:
            raise KeyboardInterrupt

    with mock.patch.object(Checkpoint, "save", last), pytest.raises(KeyboardInterrupt):
        train(folder, spec)


def _together(folder: Path) -> None:
    """What each of the two processes does, and what it saw of it."""
    group = distributed.group()
    found: dict[str, Any] = _parts(group)
    for name, spec in SPECS.items():
        _learn(folder / name, spec | {"sharding": "full"})
    drawn = DRAWN | {"sharding": "full"}
    expected = _learn(folder / "uncut", drawn)
    _cut(folder / "cut", drawn)
    resumed = _learn(folder / "cut", drawn)
    found["resumed"] = all(torch.equal(resumed[name], expected[name]) for name in expected)
    _cut(folder / "handed_on", LAST | {"sharding": "full"})
    (folder / f"{group.rank}.json").write_text(json.dumps(found))


def _parts(group: ProcessGroup) -> dict[str, Any]:
    """How many numbers this process holds, before, while and after the weights are gathered in the first."""
    network = model().network
    first = {name: p.detach().clone() for name, p in network.named_parameters()}

    def held(of: Any) -> int:
        return sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in of.parameters())

    def intact() -> bool:
        return all(torch.equal(p, first[name]) for name, p in network.named_parameters())

    divided = ShardedModel(network, group)
    found = {
        "all": sum(map(torch.numel, first.values())),
        "held": held(divided.network),
        "given": held(network),
    }
    with divided.gathered(here=group.is_main):
        found["gathered"] = intact() if group.is_main else held(network)
    found["let_go"] = held(network)
    state = [{"a": parameter.detach(), "b": 1.5} for parameter in divided.network.parameters()]
    put_together = whole(state)
    found["same"] = all(
        torch.equal(part(held["a"], own["a"]).to_local(), own["a"].to_local()) and held["b"] == own["b"]
        for held, own in zip(put_together, state, strict=True)
    )
    divided.settle()
    return found | {"settled": intact()}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes have trained together."""
    folder = tmp_path_factory.mktemp("two")
    together(_together, (folder,), 2)
    return folder


def _seen(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", SPECS)
def test_two_processes_with_halves_of_a_network_learn_as_one_with_all_of_it(
    two: Path, tmp_path: Path, name: str
) -> None:
    weights = _learn(tmp_path, SPECS[name])
    one = json.loads((tmp_path / "0.json").read_text())
    first, second = _seen(two / name)
    assert len(first["steps"]) == len(one["steps"]) == 6
    for ours, theirs in zip(first["steps"], one["steps"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)
        assert (ours["tokens"], ours["dev_score"]) == (theirs["tokens"], theirs["dev_score"])
        if theirs["dev_loss"] is not None:
            assert ours["dev_loss"] == pytest.approx(theirs["dev_loss"], rel=1e-4)
    assert (first["best"], second["best"]) == (one["best"], one["best"])
    assert (second["steps"], second["asked"]) == ([], 0)
    for rank in (0, 1):
        found = load_file(two / name / f"{rank}.safetensors")
        assert found.keys() == weights.keys()
        for key, tensor in found.items():
            torch.testing.assert_close(tensor, weights[key], rtol=1e-3, atol=1e-4, msg=key)
    assert any(
        "divided over 2 processes" in note for note in json.loads((two / name / "notes.json").read_text())
    )


def test_each_process_holds_half_and_the_whole_only_where_and_while_it_is_asked_for(two: Path) -> None:
    first, second = _seen(two)
    assert first["held"] + second["held"] == first["all"]
    assert abs(first["held"] - second["held"]) < 0.01 * first["all"]
    assert (first["given"], second["given"], first["let_go"], second["let_go"]) == (0, 0, 0, 0)
    assert (first["gathered"], second["gathered"]) == (True, 0)
    assert all(seen["same"] and seen["settled"] for seen in (first, second))


def test_a_divided_training_goes_on_to_the_same_weights_bit_for_bit(two: Path) -> None:
    assert all(seen["resumed"] for seen in _seen(two))
    notes = json.loads((two / "cut" / "notes.json").read_text())
    assert "resumed from the checkpoint of step 4 of 6" in notes


def test_one_process_goes_on_with_what_two_divided(two: Path, tmp_path: Path) -> None:
    weights = _learn(tmp_path, LAST)
    resumed = _learn(two / "handed_on", LAST)
    for key, tensor in resumed.items():
        torch.testing.assert_close(tensor, weights[key], rtol=1e-3, atol=1e-4, msg=key)
    notes = json.loads((two / "handed_on" / "notes.json").read_text())
    assert "resumed from the checkpoint of step 4 of 6" in notes


def test_what_cannot_be_divided_is_refused() -> None:
    network, full = model().network, TrainingSettings(sharding="full")
    assert learner(network, full, ProcessGroup()).network is network
    with pytest.raises(ConfigError, match="adamw_8bit cannot be divided"):
        learner(network, TrainingSettings(sharding="full", optim="adamw_8bit"), ProcessGroup(0, 2))
    network.is_quantized = True
    with pytest.raises(ConfigError, match="4 or 8 bits"):
        learner(network, full, ProcessGroup(0, 2))
    assert not learner(network, TrainingSettings(), ProcessGroup(0, 2)).divided


def test_memory_that_runs_out_in_one_of_several_parts_ends_the_training() -> None:
    class Short:
        divided, network = True, None

        def loss(self, loss: Any, batch: Any) -> torch.Tensor:
            raise MemoryError

    gradient = Gradient(Short(), mock.Mock(), mock.Mock(), list, ProcessGroup(1, 2), 4, mock.Mock())  # type: ignore[arg-type]
    with pytest.raises(RunError, match="4 rows at once in a process"):
        gradient.of([mock.MagicMock(weights=(0, 1))], 1)


def test_sharding_is_no_part_of_a_key() -> None:
    kind = build("weights", "lora")
    assert kind.replace(sharding="full").identity() == kind.identity()

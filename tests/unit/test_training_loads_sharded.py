"""Only the first process loads the weights of a network that is sharded; each of the others gets its part."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from harness.core.kinds import build
from harness.models.layers.out_of_memory import release
from harness.models.load import load
from harness.models.source import resolve
from harness.models.weights_elsewhere import has_no_weights, weights_elsewhere
from harness.training import distributed
from harness.training.fsdp import ShardedModel
from tests.unit.training_processes import together, train

SPEC: dict[str, Any] = {"kind": "full", "learning_rate": 3e-3, "num_train_epochs": 1, "lessons": 9}
SPEC |= {"per_device_train_batch_size": 2, "packing": True}
SPECS = {"full": SPEC, "lora": {**SPEC, "kind": "lora", "init_lora_weights": "olora"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of 138 MB, and what two processes that load and train it write."""
    made = tmp_path_factory.mktemp("sharded")
    shutil.copytree(resolve("tiny"), made / "model")
    settings = json.loads((made / "model/config.json").read_text())
    size = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "head_dim": 64}
    heads = {"num_attention_heads": 8, "num_key_value_heads": 8}
    LlamaForCausalLM(LlamaConfig.from_dict(settings | size | heads)).save_pretrained(made / "model")
    together(_process, (made,), 2)
    return made


def _process(folder: Path) -> None:
    group = distributed.group()
    elsewhere = contextlib.nullcontext() if group.is_main else weights_elsewhere()
    with elsewhere:
        results = _memory(folder, group)
        for name, spec in SPECS.items():
            model = train(folder / name, spec | {"sharding": "full"}).model
            weights = {key: p.detach().double().sum().item() for key, p in model.network.named_parameters()}
            results[name] = weights if group.is_main else sum(p.numel() for p in model.network.parameters())
    (folder / f"{group.rank}.json").write_text(json.dumps(results))


def _memory(folder: Path, group: distributed.ProcessGroup) -> dict[str, Any]:
    """Bytes that this process has more than before, once the model is loaded and once it is sharded."""

    def resident() -> int:
        release()
        return int(psutil.Process().memory_info().rss)

    ShardedModel(load("tiny").network, group)  # what loading and sharding import is not counted
    before = resident()
    network = load(str(folder / "model"), dtype="float32").network
    every = sum(p.numel() for p in network.parameters()) * 4
    if group.is_main:  # a file that is mapped into memory is there once it is read
        assert all(bool(p.detach().isfinite().all()) for p in network.parameters())
    results: dict[str, Any] = {"every": every, "lacks": has_no_weights(network)}
    results["loaded"] = resident() - before
    sharded = ShardedModel(network, group)
    results["sharded"] = resident() - before
    stored = load_file(folder / "model/model.safetensors")
    results["same"] = True
    for name, parameter in sharded.network.named_parameters():
        whole: Any = parameter.detach()
        results["same"] &= torch.equal(whole.full_tensor(), stored[name])
    return results


def seen(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_only_the_first_process_reads_weights_and_every_other_holds_its_part(folder: Path) -> None:
    first, second = seen(folder)
    assert (first["lacks"], second["lacks"]) == (False, True)
    assert first["loaded"] > 0.9 * first["every"]
    assert second["loaded"] < 0.2 * second["every"]
    assert second["sharded"] < 0.85 * second["every"], "half of the weights, and what the allocator keeps"
    assert first["same"]
    assert second["same"]


def test_only_unquantized_models_are_loaded_without_weights() -> None:
    with weights_elsewhere() as without:
        plain, quantized = (build("base", kind).load("tiny").network for kind in ("plain", "nf4"))
    assert without == [plain]
    assert has_no_weights(plain)
    assert not has_no_weights(quantized)
    assert not has_no_weights(load("tiny").network)


@pytest.mark.parametrize("name", SPECS)
def test_a_process_without_weights_learns_what_one_process_learns(
    folder: Path, tmp_path: Path, name: str, one_thread: None
) -> None:
    alone = {
        key: p.double().sum().item()
        for key, p in train(tmp_path, SPECS[name]).model.network.named_parameters()
    }
    first, second = (one[name] for one in seen(folder))
    assert first == pytest.approx(alone, rel=1e-3, abs=1e-2)
    assert second == 0, "no process but the first has the whole network in the end"
    ours, theirs = (json.loads((path / "0.json").read_text())["steps"] for path in (folder / name, tmp_path))
    assert [step["loss"] for step in ours] == pytest.approx([step["loss"] for step in theirs], rel=1e-4)

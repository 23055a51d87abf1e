"""Weights that are converted as they are loaded are read, not mapped, and are the same to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, modeling_utils

from harness.models.load import load
from harness.models.source import resolve


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """How each weights file of a network was opened."""
    opened: list[object] = []
    honest = modeling_utils.safe_open

    def noted(*args: Any, **named: Any) -> Any:
        opened.append(named["backend"])
        return honest(*args, **named)

    monkeypatch.setattr(modeling_utils, "safe_open", noted)
    return opened


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """The tiny model in several files."""
    network = AutoModelForCausalLM.from_pretrained(resolve("tiny"), dtype=torch.float32)
    for file in resolve("tiny").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    network.save_pretrained(tmp_path, max_shard_size="100KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    return tmp_path


@pytest.mark.parametrize("number", ["bfloat16", "float16"])
def test_converted_weights_are_read_and_the_same_to_the_last_bit(
    ways: list[object], sharded: Path, number: str
) -> None:
    mapped = AutoModelForCausalLM.from_pretrained(sharded, dtype=getattr(torch, number)).state_dict()
    assert set(ways) == {"mmap"}
    ways.clear()
    network = load(str(sharded), number, device="cpu").network
    assert set(ways) == {"pread"}
    state = network.state_dict()
    assert state.keys() == mapped.keys()
    assert all(
        tensor.dtype == state[name].dtype and tensor.equal(state[name]) for name, tensor in mapped.items()
    )
    assert network.get_input_embeddings().weight is network.get_output_embeddings().weight


def test_weights_that_need_no_conversion_stay_mapped(ways: list[object], sharded: Path) -> None:
    load(str(sharded), "float32", device="cpu")
    assert set(ways) == {"mmap"}

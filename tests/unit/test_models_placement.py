"""A model larger than one GPU is laid over several, where it is asked and adapters are trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.engines.hf.serving_mode import why_not_shared
from harness.models import placement
from tests.unit.training_kit import model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(100 << 20)
    return tmp_path


@pytest.mark.parametrize(
    ("cards", "free", "width", "quantization", "whole"),
    [
        (1, 10, 2, None, True),
        (2, 200, 2, None, True),
        (2, 110, 2, None, False),
        (2, 200, 4, None, False),
        (2, 60, 2, "load_in_4bit", True),
        (2, 60, 2, "load_in_8bit", False),
    ],
)
def test_weights_that_one_card_has_no_room_for_are_laid_over_several(
    cards: int,
    free: int,
    width: int,
    quantization: str | None,
    whole: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (free << 20, free << 20))
    config = None if quantization is None else SimpleNamespace(**{quantization: True})
    placed = placement.device_map(folder, "cuda", width, config)
    assert placed == ({"": "cuda"} if whole else "auto")
    assert placement.device_map(folder, "cpu", width, config) == {"": "cpu"}


def test_a_process_of_several_has_one_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (1 << 20, 1 << 20))
    assert placement.device_map(folder, "cuda", 2, None) == "auto"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert placement.device_map(folder, "cuda", 2, None) == {"": "cuda"}


def test_a_network_on_several_devices_shares_no_prefix_and_only_adapters_are_trained() -> None:
    network: Any = model().network
    full, lora, tuned = (build("weights", kind) for kind in ("full", "lora", "prompt_tuning"))
    assert why_not_shared(network) is None
    placement.require_trainable("m", network, [full])
    network.hf_device_map = {"model.layers.0": 0, "model.layers.1": 1, "lm_head": 1}
    assert why_not_shared(network) == "its layers are on several devices"
    placement.require_trainable("m", network, [lora, build("weights", "dpo")])
    for stage in (full, tuned):
        with pytest.raises(
            ConfigError,
            match=f"laid over 2 GPUs, where weights {stage.name()} cannot be trained — weights: lora",
        ):
            placement.require_trainable("m", network, [lora, stage])


def test_a_network_of_which_a_part_is_not_on_a_gpu_is_refused() -> None:
    def placed(device: str, *blocks: int | str) -> Any:
        return SimpleNamespace(device=torch.device(device), hf_device_map=dict(enumerate(blocks)))

    placement.require_on_gpus("m", placed("cuda", 0, 1), "cuda")
    placement.require_on_gpus("m", placed("cpu", "cpu"), "cpu")
    for network, outside in (
        (placed("cuda", 0, "disk"), "disk"),
        (placed("cpu", "cpu", "cpu"), "cpu"),
        (placed("cpu"), "cpu"),
    ):
        with pytest.raises(ConfigError, match=f"all GPUs together: part of it is on the {outside}"):
            placement.require_on_gpus("m", network, "cuda")

"""A second, plain network of which the card holds only a part: for parity checks and exports."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.models.layers import exported, plain_layers
from harness.training import parity
from tests.pretended.device import Pretended, pretended
from tests.pretended.test_compute import LORA
from tests.unit.training_kit import context, lessons

pytestmark = pytest.mark.pretended_gpu


def trained(folder: Path) -> tuple[LanguageModel, parity.Canary]:
    model: LanguageModel = build("base", {"kind": "nf4", "compute_dtype": "bfloat16"}).load("tiny")
    before = parity.canary(model, lessons(4))
    return build("weights", LORA).train(model, lessons(4), context(folder)).model, before


def test_layers_are_dequantized_one_after_another_on_the_way_to_the_host(
    gpu: Pretended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = trained(tmp_path)
    made: list[weakref.ref[Any]] = []
    honest = plain_layers.plain

    def noted(layer: Any, dtype: Any) -> Any:
        gc.collect()
        assert sum(one() is not None for one in made) <= 1, "only the layer before may still be there"
        plain = honest(layer, dtype)
        made.append(weakref.ref(plain.weight))
        return plain

    monkeypatch.setattr(plain_layers, "plain", noted)
    plain = exported.rebuilt(model.network, device="cpu", dtype=torch.float32)
    assert len(made) == 14
    assert {parameter.device.type for parameter in plain.parameters()} == {"cpu"}


def test_a_card_without_room_for_a_second_network_leaves_it_to_the_host(
    gpu: Pretended, tmp_path: Path
) -> None:
    """transformers reserves the whole of a network before it loads it."""
    model, before = trained(tmp_path)
    cls: Any = type(model.network)
    honest, places = cls.from_pretrained, []

    def crowded(*args: Any, **more: Any) -> Any:
        places.append(str(more["device_map"][""]).partition(":")[0])
        if places[-1] == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 26 GiB.")
        return honest(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "from_pretrained", crowded)
        merged = parity.check_merged(model, before.ids)
        whole = exported.rebuilt_where_it_fits(model.network)
    assert merged.ok
    assert "exported and trained logits differ" in merged.detail
    assert places == ["cuda", "cpu"] * 2
    assert whole.device.type == "cpu"


def test_a_network_over_two_cards_is_exported_from_the_host(one_thread: None, tmp_path: Path) -> None:
    with pretended(count=2, free=100_000):
        model, _ = trained(tmp_path)
        whole = exported.rebuilt_where_it_fits(model.network)
    assert whole.device.type == "cpu"
    assert not plain_layers.quantized_share(whole)


def test_a_card_that_does_not_hold_the_network_in_float32_compares_layers_and_leaves_it_as_it_was(
    gpu: Pretended, tmp_path: Path
) -> None:
    model: LanguageModel = build("base", {"kind": "plain", "dtype": "bfloat16"}).load("tiny")
    before = parity.canary(model, lessons(4))
    model = build("weights", {**LORA, "lora_dropout": 0.1}).train(model, lessons(4), context(tmp_path)).model
    state = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    embeddings = model.network.get_input_embeddings().weight.numel()
    gpu.out_of_memory = lambda name, count: "_to_copy" in name and count == embeddings
    merged = parity.check_merged(model, before.ids)
    assert merged.ok
    assert "14 merged and adapted layers were compared one by one" in merged.detail
    (dropout,) = parity.check_dropout(model, before.ids)
    assert dropout == parity.ParityCheck(
        check="dropout", ok=True, detail="not compared: the network does not fit into memory in float32"
    )
    after = model.network.state_dict()
    assert all(
        tensor.dtype == after[name].dtype and tensor.equal(after[name]) for name, tensor in state.items()
    )

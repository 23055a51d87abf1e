"""A model larger than one card: laid over two, it answers and learns adapters as on one, or is refused at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from harness.engines.hf.engine import HfEngine
from harness.models.load import load
from harness.models.placement import devices
from harness.runner.suitable import of_model
from harness.training import parity
from tests.pretended.device import Pretended, pretended
from tests.pretended.test_compute import LORA, requests
from tests.pretended.test_recipes import scores, small
from tests.unit.training_kit import context, lessons

pytestmark = pytest.mark.pretended_gpu
FREE = {"plain": 300_000, "nf4": 100_000, "int8": 200_000}
"""Bytes of a card that holds a part of the tiny model."""


@pytest.fixture
def two(one_thread: None) -> Iterator[Pretended]:
    """Two cards, neither of which holds the tiny model in float32."""
    with pretended(count=2, free=FREE["plain"]) as cards:
        yield cards


def based(kind: str) -> LanguageModel:
    base: dict[str, Any] = {"kind": kind}
    base |= {"compute_dtype": "float32"} if kind == "nf4" else {"dtype": "float32"} if kind == "plain" else {}
    model: LanguageModel = build("base", base).load("tiny")
    return model


def answered(model: LanguageModel) -> dict[int, tuple[int, ...]]:
    """Answers of several lengths, so that rows leave the batch before others."""
    from dataclasses import replace

    asked = [replace(one, max_new_tokens=3 + i % 3) for i, one in enumerate(requests(6))]
    return {i: tuple(one.token_ids) for i, one in HfEngine(model).generate(asked)}


@pytest.mark.parametrize("kind", ["plain", "nf4", "int8"])
def test_a_model_over_two_cards_answers_as_on_one(kind: str, one_thread: None) -> None:
    with pretended():
        expected = answered(based(kind))
    with pretended(count=2, free=FREE[kind]) as cards:
        model = based(kind)
        assert len(devices(model.network)) == 2
        cards.free = 1 << 30  # for keys and values of all rows at once
        cards.devices.clear()
        assert answered(model) == expected
        assert min(cards.devices[torch.device("cuda", index)] for index in (0, 1)) > 100
        pair = ([1, 2, 3, 4], [5, 6])
        assert HfEngine(model).loglikelihoods([pair])[0][0] < 0


def learned(base: str, settings: dict[str, Any], folder: Path) -> tuple[list[float], LanguageModel]:
    steps: list[StepRecord] = []
    model = based(base)
    before = parity.canary(model, lessons(8))
    stage = build("weights", settings)
    folder.mkdir()
    model = stage.train(model, lessons(8), context(folder, steps)).model
    stage.save(model, folder)
    adapter = parity.Exported(stages=(folder,))
    failed = [check for check in parity.check(model, lessons(4), before, adapter=adapter) if not check.ok]
    assert not failed
    again = stage.load(based(base), folder)
    torch.testing.assert_close(
        parity.canary(again, lessons(1)).logits, parity.canary(model, lessons(1)).logits
    )
    return [step.loss for step in steps], model


@pytest.mark.parametrize(
    ("base", "settings"),
    [
        ("nf4", LORA),
        (
            "nf4",
            {**LORA, "activation_checkpointing": True, "per_device_train_batch_size": 2, "ema_decay": 0.9},
        ),
        ("plain", {**LORA, "use_dora": True, "neftune_noise_alpha": 1.0}),
        ("plain", {"kind": "ia3", "num_train_epochs": 1}),
        ("plain", {"kind": "dpo", "lora_r": 4}),
    ],
    ids=["qlora", "qlora checkpointed", "dora", "ia3", "dpo"],
)
def test_adapters_over_two_cards_learn_what_they_learn_on_one(
    base: str, settings: dict[str, Any], one_thread: None, tmp_path: Path
) -> None:
    with pretended():
        expected, _ = learned(base, settings, tmp_path / "one")
    with pretended(count=2, free=FREE[base]):
        losses, model = learned(base, settings, tmp_path / "two")
        assert len(devices(model.network)) == 2
        places = {
            p.device.index for name, p in model.network.named_parameters() if "lora" in name or "ia3" in name
        }
        assert 1 in places
    assert losses == pytest.approx(expected, rel=1e-4)


def test_qlora_over_two_cards_is_a_run_like_any_other(one_thread: None, tmp_path: Path) -> None:
    with pretended(count=2, free=FREE["nf4"]) as cards:
        record = scores(tmp_path, "qlora", *small("qlora"))
        assert cards.devices[torch.device("cuda", 1)] > 1000
    assert record["status"] == "done", record["error"]
    assert all(check["ok"] for check in record["parity"])
    assert record["peak_device_bytes"] == 2 << 20, "of both cards"


@pytest.mark.parametrize(
    "weights", ["full", "partial", "prompt_tuning", "prefix_tuning", "classification", "grpo"]
)
def test_what_cannot_be_trained_over_two_cards_is_refused_before_anything_is_downloaded(
    weights: str, two: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.load.load", lambda *_, **__: pytest.fail("loaded"))
    misfit = of_model("tiny", recipes.from_config({"weights": weights}, name="x"))
    assert misfit is not None
    assert f"weights {weights} cannot be trained over several" in misfit.reason
    assert misfit.remedy.startswith("weights: lora")
    assert of_model("tiny", recipes.from_config({"weights": "lora"}, name="x")) is None
    assert of_model("tiny", recipes.from_config({}, name="x")) is None


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        ({"base": {"kind": "plain", "dtype": "float32"}}, "--set base.dtype=float16, which answers"),
        ({"base": {"kind": "plain", "dtype": "float32"}, "weights": "full"}, "base: nf4"),
        ({"base": {"kind": "plain", "dtype": "bfloat16"}}, "base: nf4"),
        ({"base": "nf4", "weights": "lora"}, "a smaller model"),
    ],
)
def test_a_model_larger_than_all_cards_is_refused_before_anything_is_downloaded(
    config: dict[str, Any], remedy: str, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.models.load.load", lambda *_, **__: pytest.fail("loaded"))
    with pretended(count=2, total=40_000):
        misfit = of_model("tiny", recipes.from_config(config, name="x"))
    assert misfit is not None
    assert "there are 0.0 GiB of GPU memory" in misfit.reason
    assert misfit.remedy.startswith(remedy)


@pytest.mark.parametrize(("kind", "free"), [("plain", 100_000), ("plain", 60_000), ("nf4", 90_000)])
def test_a_model_that_two_cards_do_not_hold_is_refused_in_one_line(
    kind: str, free: int, one_thread: None
) -> None:
    with (
        pretended(count=2, free=free),
        pytest.raises(ConfigError, match="does not fit into the memory of all GPUs together: part of it"),
    ):
        based(kind)


def test_an_index_of_another_card_is_noticed(two: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.cache_utils import DynamicLayer

    honest = DynamicLayer.batch_select_indices
    monkeypatch.setattr(
        DynamicLayer, "batch_select_indices", lambda self, indices: honest(self, indices.to("cuda:0"))
    )
    model = load("tiny", dtype="float32")
    two.free = 1 << 30
    with pytest.raises(RuntimeError, match="cuda:0 and cuda:1"):
        answered(model)

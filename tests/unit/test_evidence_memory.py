"""Estimates against the textbook's figures, torch's own counts and what autograd keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.kinds import build
from harness.estimate import memory, requirements
from harness.estimate.memory import Textbook, Work
from harness.estimate.parameters import counts
from harness.models.dimensions import config, network, shape
from harness.training.loss import response_loss
from tests.unit import training_kit


def test_the_textbooks_figures_for_13b_at_two_bytes() -> None:
    rule = Textbook(parameters=13_000_000_000, width=2.0)
    assert rule.weights == 26e9
    assert rule.inference == pytest.approx(31.2e9)
    assert rule.gradients_and_states == 78e9
    assert rule.training == 104e9


@pytest.mark.parametrize(("text", "count"), [("13B", 13e9), ("135m", 135e6), ("7_000", 7000), ("1.5B", 15e8)])
def test_numbers_of_parameters(text: str, count: float) -> None:
    assert requirements.parameters(text) == count


@pytest.mark.parametrize("text", ["", "B", "-1", "many", "nan"])
def test_what_is_no_number_of_parameters(text: str) -> None:
    with pytest.raises(ConfigError, match="not a number of parameters"):
        requirements.parameters(text)


@pytest.mark.parametrize("name", training_kit.SHAPES)
def test_a_shape_is_that_of_the_loaded_network(name: str) -> None:
    loaded = training_kit.model(name).network
    assert shape(f"tiny:{name}").parameters == sum(p.numel() for p in loaded.parameters())
    bytes_ = sum(p.numel() * p.element_size() for p in loaded.parameters())
    assert memory.weights(shape(f"tiny:{name}"), build("base", "plain"), "float32") == bytes_


@pytest.mark.parametrize(
    "kind", ["lora", "full", "ia3", "adapters", "partial", "prompt_tuning", "prefix_tuning", "dpo"]
)
def test_counts_are_those_of_a_prepared_network(kind: str, tmp_path: object) -> None:
    """`train` of each kind says how many parameters moved; counting needs no weights."""
    from pathlib import Path

    stage = build("weights", kind)
    model = training_kit.model()
    learnt, added = counts(stage, network("tiny"))
    lessons = training_kit.lessons(2)
    if kind == "dpo":
        from dataclasses import replace

        lessons = [replace(lesson, rejected="!") for lesson in lessons]
    result = stage.replace(num_train_epochs=0.01, eval_per_epoch=0).train(
        model, lessons, training_kit.context(Path(str(tmp_path)))
    )
    assert learnt == result.trainable_parameters
    before = sum(p.numel() for p in training_kit.model().network.parameters())
    assert added == result.total_parameters - before


@pytest.mark.parametrize("kind", ["full", "lora", {"kind": "lora", "lora_dropout": 0.1}])
def test_activations_are_about_what_autograd_keeps(kind: Any) -> None:
    """The float32 llama: within a tenth of the storages saved for the backward pass."""
    model = training_kit.model()
    stage = build("weights", kind)
    stage.prepare(model)
    model.network.train()
    from harness.training.batching import collate

    batch = collate(training_kit.rows(8, model), share_prefix=False)
    own = {p.untyped_storage().data_ptr() for p in model.network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        response_loss(model.network, batch)
    work = Work(tokens=batch.ids.numel(), loss_tokens=int((batch.weights > 0).sum()), rows=1, length=1)
    predicted = memory.activations(shape("tiny"), 4.0, work, stage, added=kind != "full")
    assert predicted == pytest.approx(sum(kept.values()), rel=0.1)


def test_a_loss_of_a_few_positions_at_a_time_has_few_float32_copies_of_logits() -> None:
    sizes, stage = shape("tiny"), build("weights", "full")
    work = Work(tokens=100, loss_tokens=100, rows=1, length=1)
    whole = memory.activations(sizes, 2.0, work, stage, added=False)
    pieces = memory.activations(sizes, 2.0, replace(work, at_once=32), stage, added=False)
    assert whole - pieces == 68 * sizes.vocabulary * 12


def test_quantized_weights_and_eight_bit_states_take_less() -> None:
    work = Work(tokens=64, loss_tokens=64, rows=1, length=64)
    sizes = shape("tiny")
    plain, nf4, int8 = (memory.weights(sizes, build("base", b), "bfloat16") for b in ("plain", "nf4", "int8"))
    assert nf4 < int8 < plain
    usual, small = (
        memory.training(
            sizes,
            build("base", "plain"),
            "bfloat16",
            work,
            build("weights", {"kind": "full", "optim": o}),
            10,
            0,
        ).optimizer
        for o in ("adamw", "adamw_8bit")
    )
    assert usual == 80
    assert small < usual / 3


def test_every_shipped_recipe_that_trains_can_be_estimated() -> None:
    for name, path in recipes.available(recipes.FOLDER).items():
        recipe = recipes.load(str(path))
        result = requirements.method("tiny", recipe, "float32", 64, None, 1)
        assert result.total > 0, name
        assert bool(result.trainable) <= bool(recipe.weights), name


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    from harness.cli import app, register

    register()
    done = CliRunner().invoke(app, ["estimate", "--parameters", "13B", "--json"])
    assert json.loads(done.stdout)["textbook"]["training_gb"] == 104.0
    done = CliRunner().invoke(
        app, ["estimate", "tiny", "--recipes", "lora,full", "--dtype", "float32", "--json"]
    )
    output = json.loads(done.stdout)
    assert set(output["methods"]) == {"lora", "full"}
    assert output["methods"]["full"]["trainable_parameters"] == output["parameters"]


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoConfig

    def gone(*args: object, **kwargs: object) -> None:
        raise OSError("We couldn't connect")

    monkeypatch.setattr(AutoConfig, "from_pretrained", gone)
    monkeypatch.setattr("harness.models.hub.check_reachable", lambda spec, bundled: None)
    with pytest.raises(ConfigError, match=r"some/model.*couldn't connect.*--parameters"):
        config("some/model")

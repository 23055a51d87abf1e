"""Adapters folded for answers: the same answers in fewer kernels, and a network that is left as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.engines.hf import engine
from harness.engines.hf.engine import HfEngine
from harness.models.layers import narrow_lora
from harness.models.layers.folded import fold_copies
from harness.models.load import load
from tests.pretended.device import Pretended
from tests.pretended.test_compute import LORA, answers, requests

pytestmark = pytest.mark.pretended_gpu
NO_KERNELS = ("aten._unsafe_view", "aten.detach", "aten.alias", "aten.empty", "aten.lift_fresh")
ALL = {**LORA, "target_modules": "all-linear"}


@pytest.fixture(autouse=True)
def _shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engines.hf.engine._WORTH_SHARING", {"cpu": 32, "cuda": 32})


def adapted(dtype: str, kind: str = "plain", **more: Any) -> LanguageModel:
    """A model with an adapter whose product is about a tenth of the weights."""
    base = {"kind": kind, "compute_dtype" if kind == "nf4" else "dtype": dtype}
    model: LanguageModel = build("base", base).load("tiny")
    build("weights", {**ALL, **more}).prepare(model)
    torch.manual_seed(0)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.network.eval()
    return model


def logits(model: LanguageModel) -> torch.Tensor:
    """Of a hundred positions, computed as the engine does without folding."""
    ids = torch.arange(4, 104, device="cuda")[None]
    with torch.no_grad(), narrow_lora.narrow_lora(model.network):
        whole: torch.Tensor = model.network(input_ids=ids).logits.float().cpu()
    return whole


def folded_logits(model: LanguageModel) -> torch.Tensor:
    with fold_copies(model.network, float("inf")).used():
        return logits(model)


@pytest.mark.parametrize("more", [{}, {"use_dora": True}, {"use_rslora": True}])
def test_folded_answers_are_those_of_the_adapter(gpu: Pretended, more: dict[str, Any]) -> None:
    model = adapted("float32", **more)
    alone = HfEngine(model)
    alone.folds = False
    asked = requests(8)
    expected = {i: one.token_ids for i, one in alone.generate(asked)}
    assert [expected[i] for i in range(8)] == answers(model, asked)
    torch.testing.assert_close(folded_logits(model), logits(model), atol=1e-4, rtol=1e-4)
    difference = (folded_logits(model) - logits(load("tiny", dtype="float32"))).abs().mean()
    assert difference > 0.01, "this adapter changes the logits"


def test_folding_in_bfloat16_adds_no_more_than_the_networks_own_rounding(gpu: Pretended) -> None:
    exact = logits(adapted("float32"))
    model = adapted("bfloat16")
    own = (logits(model) - exact).abs().mean()
    assert (folded_logits(model) - exact).abs().mean() < 1.5 * own


def kernels_of_a_step(gpu: Pretended, answering: HfEngine) -> int:
    """Kernels that one more token of eight rows takes."""
    total = []
    for length in (3, 4, 5):  # the first asks once whether this network can share prefixes
        gpu.operations.clear()
        asked = [replace(one, max_new_tokens=length) for one in requests(8)]
        assert all(completion.tokens_out == length for _, completion in answering.generate(asked))
        total.append(sum(count for name, count in gpu.operations.items() if not name.startswith(NO_KERNELS)))
    return total[2] - total[1]


def test_a_step_takes_the_kernels_of_the_base(gpu: Pretended) -> None:
    model = adapted("bfloat16")
    unfolded = HfEngine(model)
    unfolded.folds = False
    engines = (HfEngine(load("tiny", dtype="bfloat16")), HfEngine(model), unfolded)
    base, folded, narrow = (kernels_of_a_step(gpu, one) for one in engines)
    assert folded == base
    layers = len(fold_copies(model.network, float("inf")).plain)
    assert narrow == base + 2 * layers, "one product into the rank, and one out of it onto the layer's result"


def test_the_network_keeps_its_weights_and_its_adapter(gpu: Pretended) -> None:
    model = adapted("bfloat16")
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    answers(model, requests(8))
    after = model.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not any("forward" in vars(module) for module in model.network.modules())


def test_what_cannot_be_folded_is_left_to_the_adapter(gpu: Pretended) -> None:
    assert not fold_copies(adapted("bfloat16", "nf4").network, float("inf")).plain
    model = adapted("bfloat16")
    assert fold_copies(model.network, float("inf")).plain
    assert not fold_copies(model.network, 1000).plain, "there is not enough memory for copies"
    on_host = load("tiny", dtype="float32", device="cpu")
    build("weights", ALL).prepare(on_host)
    assert not HfEngine(on_host)._folded().plain


def test_scores_and_rollouts_are_computed_with_the_adapter(
    gpu: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.core.values import Message, TrainingExample
    from harness.training.grpo_trainer import Rollouts

    def refuse(*_: object) -> None:
        raise AssertionError("folded")

    model = adapted("bfloat16")
    monkeypatch.setattr("harness.engines.hf.engine.fold_copies", refuse)
    assert HfEngine(model).loglikelihoods([([1, 2, 3], [4, 5])])[0][0] < 0
    lesson = TrainingExample(id="a", messages=(Message("user", "hello"),), answer="red")
    drawn = Rollouts(model, [lesson], 4, 1.0, 0)(["0"], None)
    assert drawn["completion_ids"]
    with pytest.raises(AssertionError, match="folded"):
        answers(model, requests(2))


def test_the_prediction_of_a_run_counts_the_copies_where_there_is_room_for_them(
    gpu: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.core import recipes
    from harness.estimate import memory_forecast
    from harness.models.dimensions import shape

    assert memory_forecast.FOLDED_SHARE == engine._FOLDED_SHARE
    linear = shape("tiny").linear * 2
    model = adapted("bfloat16")
    folded = fold_copies(model.network, float("inf")).plain.values()
    assert sum(layer.weight.numel() * 2 for layer in folded) == linear
    lora, full, qlora = (recipes.load(name) for name in ("lora", "full", "qlora"))
    counted = [memory_forecast._folded(recipe, model, linear) for recipe in (lora, full, qlora)]
    assert counted == [linear, 0, 0]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (linear, linear))
    assert memory_forecast._folded(lora, model, linear) == 0

"""Fused layers have the numbers of the layers that they stand for: peft's and transformers' own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig
from torch.nn.functional import rms_norm

from harness.models.layers import adapters
from harness.models.layers.fused_lora import _Product, fused_lora
from harness.models.layers.fused_rmsnorm import _RootMeanSquareNorm, fused_norms
from harness.training.batching import collate
from harness.training.loss import response_loss
from tests.unit.training_kit import SHAPES, assert_gradients, model, rows


def adapted(shape: str, **changes: Any) -> tuple[Any, Any]:
    """A network with an adapter that does something, and a batch for it."""
    loaded = model(shape)
    torch.manual_seed(0)
    plain = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "fan_in_fan_out": shape == "gpt2"}
    config = LoraConfig(**(plain | changes))
    adapters.attach(loaded.network, config)
    for name, parameter in loaded.network.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.02)
    return loaded.network.eval(), collate(rows(5, loaded))


def gradients(network: Any, batch: Any) -> tuple[float, dict[str, torch.Tensor]]:
    network.zero_grad(set_to_none=True)
    loss = response_loss(network, batch)
    loss.backward()
    return float(loss.detach()), {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


def replaced(network: Any) -> set[str]:
    return {type(module).__name__ for module in network.modules() if "forward" in vars(module)}


@pytest.mark.parametrize("shape", SHAPES)
def test_fused_lora_has_the_loss_and_the_gradients_of_peft(shape: str) -> None:
    network, batch = adapted(shape)
    loss, expected = gradients(network, batch)
    with fused_lora(network):
        # GPT-2's layers are Conv1D, which stay peft's.
        assert replaced(network) == (set() if shape == "gpt2" else {"Linear"})
        gradients_now, grads = gradients(network, batch)
    assert replaced(network) == set()
    assert gradients_now == pytest.approx(loss, rel=1e-5)
    assert grads.keys() == expected.keys()
    assert_gradients(network, expected, rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_fused_norms_have_the_loss_and_the_gradients_of_transformers(shape: str) -> None:
    loaded = model(shape)
    network, batch = loaded.network.eval().requires_grad_(True), collate(rows(5, loaded))
    loss, expected = gradients(network, batch)
    with fused_norms(network):
        # Gemma multiplies by 1 + weight; GPT-2 and NeoX subtract a mean.
        assert bool(replaced(network)) == (shape in ("llama", "qwen2"))
        gradients_now, grads = gradients(network, batch)
    assert replaced(network) == set()
    assert gradients_now == pytest.approx(loss, rel=1e-5)
    assert grads.keys() == expected.keys()
    assert_gradients(network, expected, rtol=1e-3)


@pytest.mark.parametrize("changes", [{"lora_dropout": 0.1}, {"use_dora": True}])
def test_other_kinds_of_lora_are_left_to_peft(changes: dict[str, Any]) -> None:
    network, _ = adapted("llama", **changes)
    with fused_lora(network):
        assert replaced(network) == set()


def test_a_second_stage_beside_the_first_is_left_to_peft() -> None:
    network, _ = adapted("llama")
    adapters.attach(network, LoraConfig(r=2, target_modules="all-linear"))
    with fused_lora(network):
        assert replaced(network) == set()


def test_a_base_that_moves_is_left_to_peft() -> None:
    network, _ = adapted("llama")
    network.requires_grad_(True)
    with fused_lora(network):
        assert replaced(network) == set()


def test_the_gradients_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)

    def draw(*shape: int, moves: bool = True) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=moves)

    x, a, b = draw(5, 4), draw(2, 4), draw(3, 2)
    weight, bias = draw(3, 4, moves=False), draw(3, moves=False)
    assert torch.autograd.gradcheck(lambda *t: _Product.apply(t[0], weight, bias, t[1], t[2], 0.5), (x, a, b))
    scale = draw(4)
    assert torch.autograd.gradcheck(lambda *t: _RootMeanSquareNorm.apply(*t, 1e-5), (x, scale))
    assert torch.allclose(_RootMeanSquareNorm.apply(x, scale, 1e-5), rms_norm(x, (4,), scale, 1e-5))

"""The gradient of tied embeddings in one buffer, against autograd's three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.training import tied_gradient as module
from harness.training.batching import collate
from harness.training.encoder_decoder_loss import target_loss
from harness.training.loss import response_loss
from harness.training.tied_gradient import tied_gradient
from tests.unit.training_kit import assert_gradients, gradients, model, rows

VOCABULARY, WIDTH = 40, 24


class Tiny(nn.Module):
    """Embeddings, one layer, and logits by the same matrix."""

    device = torch.device("cpu")

    def __init__(self, padding: int | None = None, tied: bool = True, bias: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.read = nn.Embedding(VOCABULARY, WIDTH, padding_idx=padding)
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.give = nn.Linear(WIDTH, VOCABULARY, bias=bias)
        if tied:
            self.give.weight = self.read.weight

    def get_input_embeddings(self) -> nn.Module:
        return self.read

    def get_output_embeddings(self) -> nn.Module:
        return self.give

    def loss(self, ids: Tensor) -> Tensor:
        states = torch.tanh(self.layer(self.read(ids)))
        logits = self.give(states).float()
        return nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum"
        )


def replaced(network: Any) -> bool:
    with tied_gradient(network):
        return "forward" in vars(network.get_input_embeddings())


IDS = torch.tensor([[3, 3, 0, 7, 3], [9, 0, 0, 39, 7]])


@pytest.mark.parametrize("padding", [None, 0])
def test_the_gradient_is_that_of_autograd(padding: int | None) -> None:
    network: Any = Tiny(padding)
    network.loss(IDS).backward()
    expected = gradients(network)
    network.zero_grad()
    with tied_gradient(network):
        network.loss(IDS).backward()
    assert_gradients(network, expected, rtol=1e-5, atol=1e-6)
    assert replaced(network)
    assert "forward" not in vars(network.read)


def test_in_bfloat16_it_is_nearer_to_the_gradient_in_float64() -> None:
    network: Any = Tiny()
    network.bfloat16()
    ids = torch.randint(VOCABULARY, (8, 60), generator=torch.Generator().manual_seed(1)) % 5
    exact: Any = Tiny()
    exact.load_state_dict(network.state_dict())
    exact.double().loss(ids).backward()
    distance = {}
    for name in ("plain", "ours"):
        network.zero_grad()
        if name == "ours":
            with tied_gradient(network):
                network.loss(ids).backward()
        else:
            network.loss(ids).backward()
        distance[name] = (network.read.weight.grad.double() - exact.read.weight.grad).norm()
    assert distance["ours"] < distance["plain"]


def test_the_gradient_lies_where_the_output_layers_was_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    at: list[int] = []
    add = module._Shared.add

    def watched(self: module._Shared, grad: Tensor, hidden: Tensor) -> None:
        add(self, grad, hidden)
        assert self._gradient is not None
        at.append(self._gradient.data_ptr())

    monkeypatch.setattr(module._Shared, "add", watched)
    network: Any = Tiny()
    with tied_gradient(network):
        network.loss(IDS).backward()
    assert at == [network.read.weight.grad.data_ptr()]


def test_what_a_failed_pass_left_is_not_added_to_the_next_one() -> None:
    network: Any = Tiny()
    network.loss(IDS).backward()
    expected = gradients(network)
    network.zero_grad()

    def fail(_gradient: Tensor) -> None:
        raise MemoryError("out of memory")

    with tied_gradient(network):
        failing = network.layer.register_full_backward_hook(lambda *_: fail(IDS))
        with pytest.raises(MemoryError):
            network.loss(IDS).backward()
        failing.remove()
        network.zero_grad()
        network.loss(IDS).backward()
    assert_gradients(network, expected, rtol=1e-5, atol=1e-6)


def test_several_uses_of_the_output_layer_in_a_pass_add_up_and_so_do_passes() -> None:
    network: Any = Tiny()

    def twice() -> None:
        for _ in range(2):
            states = torch.tanh(network.layer(network.read(IDS)))
            pieces = [network.give(piece) for piece in states.split(1)]
            sum(piece.square().sum() for piece in pieces).backward()

    twice()
    expected = gradients(network)
    network.zero_grad()
    with tied_gradient(network):
        twice()
    assert_gradients(network, expected, rtol=1e-5, atol=1e-5)


def test_a_pass_whose_loss_reads_no_logits_has_the_gradient_of_the_tokens() -> None:
    network: Any = Tiny()
    network.read(IDS).square().sum().backward()
    expected = gradients(network)
    network.zero_grad()
    with tied_gradient(network):
        network.read(IDS).square().sum().backward()
    assert_gradients(network, expected, rtol=1e-6)


def test_other_networks_are_left_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not replaced(Tiny(tied=False))
    assert not replaced(Tiny(bias=True))
    frozen: Any = Tiny()
    frozen.read.weight.requires_grad_(False)
    assert not replaced(frozen)
    scaled: Any = Tiny()
    scaled.read.scale_grad_by_freq = True
    assert not replaced(scaled)
    limited: Any = Tiny()
    limited.read.max_norm = 1.0
    assert not replaced(limited)
    monkeypatch.setattr(module, "in_one_process", lambda: False)
    assert not replaced(Tiny())


def assert_same_gradients(network: Any, loss: Callable[[], Tensor]) -> None:
    loss().backward()
    expected = gradients(network)
    network.zero_grad()
    with tied_gradient(network):
        loss().backward()
    assert_gradients(network, expected, rtol=1e-4, atol=1e-6)


def test_a_matrix_that_a_third_module_reads_is_left_to_autograd() -> None:
    """T5's encoder and decoder each read the matrix that its output layer shares, and the module that transformers names does not."""
    network: Any = Tiny()
    network.another = nn.Embedding(VOCABULARY, WIDTH)
    network.another.weight = network.read.weight
    assert not replaced(network)
    of = model("t5")
    of.network.eval().requires_grad_(True)
    assert_same_gradients(
        of.network, lambda: target_loss(of.network, collate(rows(6, of), share_prefix=False))
    )


@pytest.mark.parametrize("shape", ["llama", "gemma", "gpt2"])
def test_a_network_of_transformers_has_the_gradients_it_has_without(shape: str) -> None:
    """Those whose embeddings are scaled or not tied are left as they are."""
    of = model(shape)
    assert_same_gradients(of.network, lambda: response_loss(of.network, collate(rows(6, of))))

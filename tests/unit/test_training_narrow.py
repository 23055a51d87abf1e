"""Adapters over a bfloat16 base compute in bfloat16 where the processor does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig

from harness.core.kinds import build
from harness.models import load
from harness.models.layers import adapters, narrow_lora
from harness.training.batching import collate
from harness.training.loss import response_loss
from tests.unit.training_kit import context, lessons, rows


@pytest.fixture
def computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that multiplies bfloat16 numbers; elsewhere torch emulates it."""
    monkeypatch.setattr(load, "computes_bfloat16", lambda _device: True)


def adapted(base: str = "plain") -> Any:
    number = "dtype" if base == "plain" else "compute_dtype"
    loaded = build("base", {"kind": base, number: "bfloat16"}).load("tiny")
    torch.manual_seed(0)
    adapters.attach(loaded.network, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    for name, parameter in loaded.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return loaded


@pytest.mark.parametrize("base", ["plain", "nf4"])
@pytest.mark.usefixtures("computes")
def test_gradients_are_pefts_but_for_rounding(base: str) -> None:
    loaded = adapted(base)
    batch, learned = collate(rows(6, loaded)), []
    for narrow in (False, True):
        loaded.network.zero_grad(set_to_none=True)
        if narrow:
            with narrow_lora.narrow_lora(loaded.network):
                loss = response_loss(loaded.network, batch)
                loss.backward()
        else:
            loss = response_loss(loaded.network, batch)
            loss.backward()
        named = loaded.network.named_parameters()
        learned.append((loss.item(), {name: p.grad for name, p in named if p.grad is not None}))
    (theirs, expected), (ours, gradients) = learned
    assert ours == pytest.approx(theirs, rel=0.01)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        assert float(torch.cosine_similarity(gradient.flatten(), expected[name].flatten(), 0)) > 0.99, name
        assert float(gradient.norm()) == pytest.approx(float(expected[name].norm()), rel=0.05), name


@pytest.mark.usefixtures("computes")
def test_training_and_answering_widen_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """peft's own forward function, which widens, is never called."""
    from peft.tuners.lora import Linear

    def widens(*_: object, **__: object) -> None:
        raise AssertionError("an adapter's input was widened")

    loaded = build("base", {"kind": "plain", "dtype": "bfloat16"}).load("tiny")
    monkeypatch.setattr(Linear, "forward", widens)
    build("weights", {"kind": "lora", "num_train_epochs": 1}).train(loaded, lessons(8), context(tmp_path))


@pytest.mark.usefixtures("computes")
def test_an_adapter_that_is_disabled_or_merged_meanwhile_is_pefts() -> None:
    from peft.tuners.lora import LoraLayer

    network, ids = adapted().network.eval(), torch.arange(1, 9)[None]
    layers = [module for module in network.modules() if isinstance(module, LoraLayer)]

    def switch(*, on: bool) -> None:
        for layer in layers:
            layer.enable_adapters(on)

    with torch.no_grad():
        switch(on=False)
        expected = network(ids).logits
        switch(on=True)
        with narrow_lora.narrow_lora(network):
            adapted_logits = network(ids).logits
            switch(on=False)
            assert torch.equal(network(ids).logits, expected)
            switch(on=True)
            for layer in layers:
                layer.merge()
            error = (network(ids).logits - adapted_logits).float().norm()
        assert error < 0.2 * (adapted_logits - expected).float().norm(), "the adapter is applied once"


@pytest.mark.usefixtures("computes")
def test_a_single_vector_and_rows_with_adapters_of_their_own_are_pefts() -> None:
    from peft.tuners.lora import LoraLayer

    network = adapted().network.eval()
    layer: Any = next(module for module in network.modules() if isinstance(module, LoraLayer))
    (name,) = layer.active_adapters
    rows = torch.randn(2, 3, layer.in_features, generator=torch.Generator().manual_seed(0)).bfloat16()
    names = {"adapter_names": [name, "__base__"]}
    with torch.no_grad():
        expected = [layer(rows[0, 0]), layer(rows, **names)]
        with narrow_lora.narrow_lora(network):
            assert "forward" in vars(layer), "it is replaced"
            ours = [layer(rows[0, 0]), layer(rows, **names)]
    for one, other in zip(ours, expected, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(expected[1][1], layer(rows)[1]), "the second row has no adapter"


def test_elsewhere_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "computes_bfloat16", lambda _device: False)
    assert not narrow_lora.pays(adapted().network)
    wide = build("base", {"kind": "plain", "dtype": "float32"}).load("tiny")
    monkeypatch.setattr(load, "computes_bfloat16", lambda _device: True)
    assert not narrow_lora.pays(wide.network)

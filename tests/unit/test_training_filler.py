"""Passes in 16 bits on a CPU have sizes that repeat; the tokens that fill them up change nothing."""

from __future__ import annotations

import pytest

from harness.core.kinds import build
from harness.training import shared_prefix_attention
from harness.training.batching import collate
from harness.training.loss import response_loss
from tests.unit.training_kit import assert_gradients, gradients, model, rows


@pytest.mark.parametrize("shape", ["llama", "qwen2", "gpt2"])
def test_loss_and_gradients_are_those_without(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = model(shape)
    batch = collate(rows(5, of))
    assert batch.prefix is not None
    expected_loss = response_loss(of.network, batch)
    expected_loss.backward()
    expected = gradients(of.network)
    of.network.zero_grad()
    monkeypatch.setattr(shared_prefix_attention, "_compiles_each_size", lambda _network: True)
    loss = response_loss(of.network, batch)
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-6)
    assert_gradients(of.network, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "whole"), [("bfloat16", True), ("float32", False)])
def test_only_in_16_bits_a_pass_is_filled_up(dtype: str, whole: bool) -> None:
    of = build("base", {"kind": "plain", "dtype": dtype}).load("tiny")
    sizes: list[int] = []
    of.network.model.register_forward_pre_hook(
        lambda _module, _inputs, options: sizes.append(options["input_ids"].shape[1]), with_kwargs=True
    )
    batches = [collate(rows(count, of)) for count in (3, 4, 5)]
    for batch in batches:
        assert batch.prefix is not None
        response_loss(of.network, batch)
    used = [batch.prefix.shape[1] + batch.ids.numel() for batch in batches if batch.prefix is not None]
    assert any(size % 32 for size in used)
    assert sizes == [-(-size // 32) * 32 if whole else size for size in used]

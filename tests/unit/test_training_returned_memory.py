"""Freed memory is returned on the way through a network's blocks, forward and back."""

from __future__ import annotations

import pytest
import torch

from harness.training.returned_memory import returned_between_blocks
from tests.unit.training_kit import model


@pytest.mark.parametrize("shape", ["llama", "gpt2"])
def test_memory_is_returned_forward_and_back_and_no_hook_is_left(shape: str) -> None:
    network, returns = model(shape).network, 0

    def give_back() -> None:
        nonlocal returns
        returns += 1

    ids = torch.arange(6)[None]
    with returned_between_blocks(network, give_back):
        logits = network(input_ids=ids, use_cache=False).logits
        forward = returns
        logits.sum().backward()
    assert forward > 0
    assert returns == 2 * forward
    assert torch.equal(network(input_ids=ids, use_cache=False).logits, logits)
    assert returns == 2 * forward

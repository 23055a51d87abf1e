"""The loss behind a frozen output layer, whose logits are never kept, against torch's own over all positions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.training import summed_loss
from harness.training.summed_loss import is_frozen, summed

VOCABULARY, WIDTH = 500, 16


def inputs(count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, WIDTH, generator=generator)
    targets = torch.randint(VOCABULARY, (count,), generator=generator)
    return hidden, targets, torch.rand(count, generator=generator)


@pytest.mark.parametrize("count", [1, 31, 64, 100])
def test_loss_and_gradient_are_those_of_all_positions_at_once(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summed_loss, "_BYTES", 1)
    head = nn.Linear(WIDTH, VOCABULARY).requires_grad_(False)
    most = 0

    def part(h: Tensor, t: Tensor, w: Tensor) -> Tensor:
        nonlocal most
        most = max(most, len(h))
        return (cross_entropy(head(h), t, reduction="none") * w).sum()

    hidden, targets, weights = inputs(count)
    whole, pieces = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    expected = part(whole, targets, weights)
    most = 0
    total = summed(part, pieces, targets, weights, VOCABULARY)
    assert most == min(count, 32)
    (expected / 7).backward()
    (total / 7).backward()
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(pieces.grad, whole.grad)
    with torch.no_grad():
        torch.testing.assert_close(summed(part, hidden, targets, weights, VOCABULARY), expected)


def test_an_output_layer_that_learns_keeps_its_logits() -> None:
    head = nn.Linear(WIDTH, VOCABULARY)
    assert not is_frozen(head, torch.zeros(1))
    assert is_frozen(head.requires_grad_(False), torch.zeros(1))
    assert not is_frozen(head, torch.zeros(1, device="meta"))

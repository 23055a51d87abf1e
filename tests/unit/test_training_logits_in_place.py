"""The loss whose gradient takes the place of its logits, against the same loss in plain autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from harness.training import logits_in_place, summed_loss
from harness.training.logits_in_place import pays, summed_in_place

VOCABULARY = 300


def summed(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (cross_entropy(logits.float(), targets, reduction="none") * weights).sum()


def drawn(count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(count, VOCABULARY, generator=generator).mul(5).to(dtype)
    targets = torch.randint(VOCABULARY, (count,), generator=generator)
    return logits, targets, torch.rand(count, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [0, 1, 32, 100])
def test_the_gradient_is_that_of_autograd_to_the_last_bit(
    count: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summed_loss, "_BYTES", 1)
    logits, targets, weights = drawn(count, dtype)
    plain, ours = (logits.clone().requires_grad_() for _ in range(2))
    expected = summed(plain, targets, weights)
    (expected / 7).backward()
    loss = summed_in_place(summed, ours.clone(), targets, weights)
    (loss / 7).backward()
    torch.testing.assert_close(loss, expected)
    assert torch.equal(ours.grad, plain.grad)  # type: ignore[arg-type]
    with torch.no_grad():
        torch.testing.assert_close(summed_in_place(summed, logits, targets, weights), expected)


def test_the_gradient_lies_where_the_logits_lay_and_few_positions_are_computed_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(summed_loss, "_BYTES", 1)
    logits, targets, weights = drawn(100, torch.bfloat16)
    made, at_once = logits.requires_grad_().clone(), []
    gradients: list[Tensor] = []
    made.register_hook(lambda gradient: gradients.append(gradient.detach()))

    def watched(some: Tensor, t: Tensor, w: Tensor) -> Tensor:
        at_once.append(len(some))
        return summed(some, t, w)

    summed_in_place(watched, made, targets, weights).backward()
    assert gradients[0].data_ptr() == made.data_ptr()
    assert at_once == 2 * [32, 32, 32, 4], "once for the loss and once for the gradient"


def test_it_is_for_one_process_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pays(torch.zeros(1))
    assert not pays(torch.zeros(1, device="meta"))
    monkeypatch.setattr(logits_in_place, "in_one_process", lambda: False)
    assert not pays(torch.zeros(1))

"""Attention as plain products equals torch's own, forward and backward."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from harness.training import attention_products

Tensors = tuple[torch.Tensor, ...]


def inputs(heads: int, shared: int, queries: int, keys: int, dtype: torch.dtype) -> Tensors:
    """Query, key and value of three rows."""
    torch.manual_seed(0)
    sizes = ((heads, queries), (heads // shared, keys), (heads // shared, keys))
    return tuple(torch.randn(3, h, n, 16).to(dtype).requires_grad_() for h, n in sizes)


def masks(queries: int, keys: int) -> dict[str, torch.Tensor]:
    causal = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)
    return {"causal": causal, "window": causal.triu(keys - queries - 3), "all": torch.ones_like(causal)}


def both(
    some: Tensors, mask: torch.Tensor, scale: float, dtype: torch.dtype
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Output and gradients of ours, and of torch's in float64."""
    query, key, value = some
    ours = attention_products.attention(query, key, value, mask, scale)
    direction = torch.randn(ours.shape, generator=torch.Generator().manual_seed(1))
    first = [ours, *torch.autograd.grad(ours, some, direction.to(dtype))]
    exact = tuple(x.detach().double().requires_grad_() for x in some)
    reference = scaled_dot_product_attention(*exact, mask, scale=scale, enable_gqa=True)
    return first, [reference, *torch.autograd.grad(reference, exact, direction.to(dtype).double())]


@pytest.mark.parametrize("at_once", [1, 150, 1 << 18])
@pytest.mark.parametrize("visible", ["causal", "window", "all"])
@pytest.mark.parametrize(("heads", "shared"), [(6, 3), (4, 1), (2, 2)])
def test_output_and_gradients_are_those_of_float64_but_for_rounding(
    heads: int,
    shared: int,
    visible: str,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dtype = torch.bfloat16
    monkeypatch.setattr(attention_products, "_AT_ONCE", at_once)
    some = inputs(heads, shared, 5, 9, dtype)
    ours, theirs = both(some, masks(5, 9)[visible], 0.3, dtype)
    steps = torch.finfo(dtype).eps
    for mine, exact in zip(ours, theirs, strict=True):
        assert mine.dtype == dtype
        assert (mine.double() - exact).abs().max() < 4 * steps * max(1, exact.abs().max().item())


@pytest.mark.parametrize("empty", ["queries", "batch"])
def test_nothing_to_ask_gives_nothing_as_torchs_kernel_does(empty: str) -> None:
    query, key, value = inputs(6, 3, 0 if empty == "queries" else 5, 9, torch.bfloat16)
    if empty == "batch":
        query, key, value = (x.detach()[:0].requires_grad_() for x in (query, key, value))
    mask = torch.ones(query.shape[2], 9, dtype=torch.bool)
    out = attention_products.attention(query, key, value, mask, 0.3)
    reference = scaled_dot_product_attention(query, key, value, mask, scale=0.3, enable_gqa=True)
    assert out.shape == reference.shape
    out.sum().backward()
    assert query.grad is not None
    assert query.grad.shape == query.shape
    assert not attention_products.pays(query), "torch's own kernel is asked"


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_it_rounds_no_more_than_torchs_own_kernel(common: float) -> None:
    """Not either where all values, and all gradients, have a large part in common, which the gradient of the softmax takes
    away again."""
    query, key, value = inputs(6, 3, 60, 90, torch.bfloat16)
    some = query, key, (value.detach() * (1 - 0.9 * common) + 2 * common).requires_grad_()
    mask = masks(60, 90)["causal"]
    drawn = torch.randn(query.shape, generator=torch.Generator().manual_seed(1))
    direction = (drawn * (1 - 0.9 * common) + common).bfloat16()
    outputs = (
        attention_products.attention(*some, mask, 0.25),
        scaled_dot_product_attention(*some, mask, scale=0.25, enable_gqa=True),
    )
    wide = tuple(x.detach().double().requires_grad_() for x in some)
    reference = scaled_dot_product_attention(*wide, mask, scale=0.25, enable_gqa=True)
    exact = [reference, *torch.autograd.grad(reference, wide, direction.double())]
    ours, theirs = ([out, *torch.autograd.grad(out, some, direction)] for out in outputs)
    for mine, other, right in zip(ours, theirs, exact, strict=True):
        error, usual = ((x.double() - right).pow(2).mean().sqrt() for x in (mine, other))
        assert error < 1.5 * usual


def test_only_bfloat16_on_a_cpu_takes_this_way() -> None:
    assert attention_products.pays(torch.zeros(1, dtype=torch.bfloat16))
    assert not attention_products.pays(torch.zeros(1))
    assert not attention_products.pays(torch.zeros(1, dtype=torch.float16))
    assert not attention_products.pays(torch.zeros(1, dtype=torch.bfloat16, device="meta"))

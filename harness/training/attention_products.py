"""Attention of a few hundred bfloat16 queries on a CPU, as plain matrix products.

torch's fused kernel for CPUs is made for long sequences: at the lengths of one training row, its gradient in bfloat16 takes four times
as long as the products below. As in that kernel, scores are computed and normalized in float32. As with it, the gradient computes the weights
again instead of keeping them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from harness.core.torch_types import GradientContext

_AT_ONCE = 1 << 18
"""Weights that are computed at a time."""


def pays(query: Tensor) -> bool:
    """Whether `attention` is the faster one for `query`: in bfloat16 on a CPU. Small gradients have no digits in float16, and
    an empty query has nothing to divide into parts."""
    return query.numel() > 0 and query.device.type == "cpu" and query.dtype == torch.bfloat16


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """softmax(scale · QK')V per head.

    Args:
        query: [B, heads, Q, size] in bfloat16.
        key: [B, key-value heads, K, size]; consecutive query heads share one, as in `repeat_interleave`.
        value: Like `key`.
        mask: [Q, K], True where the query sees the key. Every query sees at least one.
        scale: Factor of the scores.

    Returns:
        [B, heads, Q, size] in the type of `query`.
    """
    batch, heads, queries, size = query.shape
    shared, apart = heads // key.shape[1], batch * key.shape[1]
    # Query heads that share keys become more queries of one head: no key is copied.
    folded = query.reshape(apart, shared * queries, size)
    keys, values = (x.reshape(apart, x.shape[2], size) for x in (key, value))
    bias = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf).repeat(shared, 1)
    out: Tensor = _Products.apply(folded, keys, values, bias, scale)  # type: ignore[no-untyped-call]
    return out.view(batch, heads, queries, size)


class _Products(torch.autograd.Function):
    """Attention of `query` [N, Q, size] to `key` and `value` [N, K, size], with `bias` [Q, K] added to the scores."""

    @staticmethod
    def forward(
        ctx: GradientContext, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float
    ) -> Tensor:
        ctx.save_for_backward(query, key, value, bias)
        ctx.scaling = scale
        out = torch.empty_like(query)
        for some in _parts(query, key):
            weights = _weights(query[some], key[some], bias, scale)
            torch.bmm(weights.to(value.dtype), value[some], out=out[some])
        return out

    @staticmethod
    def backward(ctx: GradientContext, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias = ctx.saved_tensors
        grad = grads[0].contiguous()
        to_query, to_key, to_value = (torch.empty_like(x) for x in (query, key, value))
        for some in _parts(query, key):
            weights = _weights(query[some], key[some], bias, ctx.scaling)
            torch.bmm(weights.to(value.dtype).transpose(1, 2), grad[some], out=to_value[some])
            # What these have in common is subtracted again, so they are not rounded before that.
            to_weights = torch.bmm(grad[some].float(), value[some].float().transpose(1, 2))
            to_scores = torch._softmax_backward_data(to_weights, weights, -1, torch.float32)
            narrow = to_scores.mul_(ctx.scaling).to(query.dtype)
            torch.bmm(narrow, key[some], out=to_query[some])
            torch.bmm(narrow.transpose(1, 2), query[some], out=to_key[some])
        return to_query, to_key, to_value, None, None


def _parts(query: Tensor, key: Tensor) -> Iterator[slice]:
    """Portions of the first dimension whose weights fit into a core's cache."""
    each = query.shape[1] * key.shape[1]
    step = max(1, _AT_ONCE // max(1, each))
    return (slice(start, start + step) for start in range(0, len(query), step))


def _weights(query: Tensor, key: Tensor, bias: Tensor, scale: float) -> Tensor:
    """The attention weights [N, Q, K] in float32."""
    biases = bias.expand(len(query), -1, -1)
    scores = torch.baddbmm(biases, query.float(), key.float().transpose(1, 2), alpha=scale)
    return torch.softmax(scores, -1)

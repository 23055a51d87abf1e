"""Attention over several segments of keys, merged exactly by their log-sum-exp.

Softmax over the union of two sets of keys equals the two softmax results weighted by
exp(lse₁ - lse) and exp(lse₂ - lse), with lse the log-sum-exp over both (Milakov & Gimelshein
2018, https://arxiv.org/abs/1805.02867; for shared prefixes: Juravsky et al. 2024, Hydragen,
https://arxiv.org/abs/2402.05099). So keys that many rows share are read once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from harness.models.attention import Rule
from harness.models.load import computes_bfloat16

_MAX_SCORES = 1 << 26
"""Scores held at once by the plain path, in elements; longer queries are taken in blocks."""


class Part(NamedTuple):
    """Attention to one segment: `out` [..., queries, size] and its log-sum-exp [..., queries]."""

    out: Tensor
    lse: Tensor


def attend(
    query: Tensor, key: Tensor, value: Tensor, rule: Rule, *, causal: bool = False, mask: Tensor | None = None
) -> Part:
    """Attention of `query` [B, heads, Q, D] to `key`, `value` [B, key-value heads, K, D].

    `causal`: query i sees keys 0 … i. `mask` is True where a key is seen, and broadcasts to
    [B, key-value heads, Q, K]. A query that sees nothing gets log-sum-exp -inf.
    """
    query, key, value = _widened(query, key, value)
    plain = rule.softcap is not None or query.shape[-1] != value.shape[-1] or (causal and mask is not None)
    output = None if plain else _fused(query, key, value, rule.scale, causal, mask)
    if output is not None:
        return output
    heads, groups = key.shape[1], query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    if causal:
        causal_mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril()
        mask = causal_mask if mask is None else mask & causal_mask
    block = max(1, _MAX_SCORES // (query.shape[0] * heads * groups * key.shape[2]))
    parts = [
        attend_plain(piece, key, value, rule, None if mask is None else _rows(mask, start, block))
        for start, piece in zip(range(0, query.shape[2], block), query.split(block, 2), strict=True)
    ]
    if len(parts) == 1:
        return parts[0]
    return Part(torch.cat([part.out for part in parts], 2), torch.cat([part.lse for part in parts], 2))


def attend_plain(query: Tensor, key: Tensor, value: Tensor, rule: Rule, mask: Tensor | None) -> Part:
    """The same by two matrix products; batch dimensions of the three broadcast."""
    query, key, value = _widened(query, key, value)
    scores = _product(query, key.transpose(-1, -2)).mul_(rule.scale)
    if rule.softcap is not None:
        scores = scores.div_(rule.softcap).tanh_().mul_(rule.softcap)
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)
    # The peak of a row that sees nothing is -inf; any finite stand-in leaves its sum at zero.
    peak = scores.amax(-1, keepdim=True).clamp_(min=torch.finfo(torch.float32).min)
    weights = scores.sub_(peak).exp_()
    total = weights.sum(-1, keepdim=True)
    out = _product(weights.to(value.dtype), value).div_(total.clamp(min=1e-30))
    return Part(out, (peak + total.log()).squeeze(-1))


def fold(query: Tensor, heads: int) -> Tensor:
    """Queries [query heads, N, D] that share key-value heads, laid out as rows of one:
    [1, heads, groups · N, D]. Valid only if all of them see the same keys."""
    return query.reshape(1, heads, -1, query.shape[-1])


def unfold(part: Part, heads: int) -> Part:
    """A part of folded queries as `out` [query heads, N, D], `lse` [query heads, N]."""
    size = part.out.shape[-1]
    return Part(part.out.reshape(heads, -1, size), part.lse.reshape(heads, -1))


def merge(one: Part, other: Part) -> Part:
    """Attention to the union of two segments, in float32."""
    lse = torch.logaddexp(one.lse, other.lse)
    left = one.out * (one.lse - lse).exp().unsqueeze(-1)
    right = other.out * (other.lse - lse).exp().unsqueeze(-1)
    return Part(left + right, lse)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """A matrix product in float32. A GPU adds up 16-bit numbers in float32 anyway, and is asked not to round the sums:
    a score rounded to bfloat16 is wrong by up to a quarter of a per cent of its size."""
    if left.device.type != "cuda" or left.dtype == torch.float32 or left.shape[:-2] != right.shape[:-2]:
        return (left @ right).float()
    flat = torch.bmm(left.flatten(0, -3), right.flatten(0, -3), out_dtype=torch.float32)
    product: Tensor = flat.unflatten(0, left.shape[:-2])
    return product


def _widened(*states: Tensor) -> tuple[Tensor, ...]:
    """The tensors in float32, if the CPU does not compute in their dtype."""
    dtype = states[0].dtype
    if states[0].device.type != "cpu" or dtype != torch.bfloat16 or computes_bfloat16("cpu"):
        return states
    return tuple(x.float() for x in states)


def _rows(mask: Tensor, start: int, length: int) -> Tensor:
    return mask if mask.shape[-2] == 1 else mask[..., start : start + length, :]


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What a mask adds to the scores."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)


def _fused(
    query: Tensor, key: Tensor, value: Tensor, scale: float, causal: bool, mask: Tensor | None
) -> Part | None:
    """Torch's own kernels that return the log-sum-exp along with the output, if one fits."""
    if query.device.type == "cpu":
        if mask is not None and not mask.any(-1).all():  # the kernel has no sum for a query that sees nothing
            return None
        added = None if mask is None else _added(mask, query.dtype)
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, is_causal=causal, attn_mask=added, scale=scale
        )
        return Part(out, lse)
    if mask is not None or query.device.type != "cuda" or query.shape[-1] > 256 or query.shape[-1] % 8:
        return None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    if query.dtype in (torch.bfloat16, torch.float16):
        out, lse, *_ = torch.ops.aten._scaled_dot_product_flash_attention(
            query, key, value, 0.0, causal, False, scale=scale
        )
    else:
        out, lse, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, None, True, 0.0, causal, scale=scale
        )
    # Kernels pad the log-sum-exp to whole blocks of queries.
    return Part(out, lse[..., : query.shape[2]])

"""Rows after a shared prefix, all in one forward pass.

Prefix and rows are laid end to end in one sequence, so that every weight is applied once, and has its
gradient computed once. Attention keeps the rows apart: each sees the prefix and itself.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from harness.core.torch_types import Layer, Network
from harness.models.architecture import body_of
from harness.models.attention import (
    Rule,
    UnsupportedAttention,
    replaced_attention,
    rule_of,
    why_not,
)
from harness.models.number_format import dtype_of
from harness.training import attention_products
from harness.training.batching import Batch

_UNIT = 32
"""Tokens of a pass in 16 bits on a CPU are a multiple of this. oneDNN compiles each matrix product for its sizes, which
takes up to 14 ms, and keeps 0.6 MB of code for each; it multiplies that many tokens at a time anyway."""
NAME = "harness_rows_behind_prefix"
"""The name under which transformers knows our attention function."""


def hidden_states(network: Network, batch: Batch) -> Tensor:
    """The last hidden states of `batch.ids`, [rows, length, width], each row behind `batch.prefix`.

    Raises:
        UnsupportedAttention: the network's attention cannot be replaced, or not by this one.
    """
    if reason := why_not(network):
        raise UnsupportedAttention(reason)
    assert batch.prefix is not None
    prefix, (rows, length) = batch.prefix.shape[1], batch.ids.shape
    used = prefix + rows * length
    filler = batch.ids.new_zeros(1, -used % _UNIT if _compiles_each_size(network) else 0)
    ids = torch.cat([batch.prefix, batch.ids.view(1, -1), filler], 1)
    places = torch.arange(prefix + length, device=ids.device)
    positions = torch.cat([places[:prefix], places[prefix:].repeat(rows), filler[0]])[None]
    with replaced_attention(network, NAME):
        out = body_of(network)(
            input_ids=ids, position_ids=positions, use_cache=False, laid_out=(prefix, rows, length)
        )
    hidden: Tensor = out.last_hidden_state[0, prefix:used].to(ids.device)
    return hidden.view(rows, length, -1)


def _compiles_each_size(network: Network) -> bool:
    return network.device.type == "cpu" and dtype_of(network) in (torch.bfloat16, torch.float16)


def attend(
    module: Layer,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    laid_out: tuple[int, int, int],
    dropout: float = 0.0,
    **options: object,
) -> tuple[Tensor, None]:
    """transformers' attention interface: `query` [1, heads, N, size] → [1, N, heads, size].

    Keys in front of the first query's are those of a learned prefix: every token sees them. What follows the rows
    is filler, which sees nothing and is seen by nothing.

    Args:
        laid_out: how many tokens the rows share, how many rows there are, and how many tokens each has of its own.
    """
    del attention_mask
    rule = rule_of(module, query.shape[-1], options)
    prefix, rows, length = laid_out
    before = key.shape[2] - query.shape[2] + prefix
    filler = query.shape[2] - prefix - rows * length
    query, key, value = (x[:, :, : x.shape[2] - filler] for x in (query, key, value))
    first, own = (_visible(q, k, rule, query) for q, k in ((prefix, before), (length, before + length)))
    of_prefix = _attention(
        query[:, :, :prefix], key[:, :, :before], value[:, :, :before], first, rule, dropout
    )
    keys, values = (_behind(x, before, rows) for x in (key, value))
    of_rows = _attention(_apart(query, prefix, rows), keys, values, own, rule, dropout)
    empty = of_prefix.new_zeros(query.shape[1], filler, of_prefix.shape[-1])
    out = torch.cat([of_prefix[0], of_rows.transpose(0, 1).flatten(1, 2), empty], 1)
    return out.transpose(0, 1)[None], None


AttentionInterface.register(NAME, attend)


def _apart(x: Tensor, start: int, rows: int) -> Tensor:
    """What follows `start`, row by row: [1, heads, start + rows · L, size] → [rows, heads, L, size]."""
    apart: Tensor = x[0, :, start:].unflatten(1, (rows, -1))
    return apart.transpose(0, 1)


def _behind(x: Tensor, before: int, rows: int) -> Tensor:
    """The same with the first `before` in front of each row: [rows, heads, before + L, size]."""
    return torch.cat([x[:, :, :before].expand(rows, -1, -1, -1), _apart(x, before, rows)], 2)


def _visible(queries: int, keys: int, rule: Rule, like: Tensor) -> Tensor:
    """Which of `keys` each of the last `queries` sees: [queries, keys], True if it does."""
    last = keys - queries
    mask = torch.ones(queries, keys, dtype=torch.bool, device=like.device).tril(last)
    return mask if rule.window is None else mask.triu(last - rule.window + 1)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rule: Rule, dropout: float) -> Tensor:
    """Attention of `query` [B, heads, Q, size] to `key`, `value` [B, key-value heads, K, size]."""
    if rule.softcap is None and dropout == 0 and attention_products.pays(query):
        return attention_products.attention(query, key, value, mask, rule.scale)
    groups = query.shape[1] // key.shape[1]
    # Of torch's kernels that take a mask, only the CPU's supports heads that share keys.
    grouped = groups > 1 and query.device.type == "cpu" and rule.softcap is None
    if groups > 1 and not grouped:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    if rule.softcap is None:
        return scaled_dot_product_attention(
            query, key, value, mask, dropout, scale=rule.scale, enable_gqa=grouped
        )
    scores = torch.tanh((query @ key.transpose(-1, -2)).float() * (rule.scale / rule.softcap)) * rule.softcap
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).to(value.dtype)
    return torch.dropout(weights, dropout, train=dropout > 0) @ value

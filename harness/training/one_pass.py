"""Rows behind a common prefix, all in one pass through the network.

Prefix and rows stand end to end in one sequence, so that every weight is applied once, and has its
gradient computed once. Attention keeps the rows apart: each sees the prefix and itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from harness.models.attention import Rule, UnsupportedAttention, replaced_attention, rule_of, why_not
from harness.training.batches import Batch

NAME = "harness_rows_behind_prefix"
"""The name under which transformers knows our attention function."""


def hidden_states(network: Any, batch: Batch) -> Tensor:
    """The last hidden states of `batch.ids`, [rows, length, width], each row behind `batch.prefix`.

    Raises:
        UnsupportedAttention: the network's attention cannot be replaced, or not by this one.
    """
    if reason := why_not(network):
        raise UnsupportedAttention(reason)
    assert batch.prefix is not None
    prefix, (rows, length) = batch.prefix.shape[1], batch.ids.shape
    ids = torch.cat([batch.prefix, batch.ids.view(1, -1)], 1)
    places = torch.arange(prefix + length, device=ids.device)
    positions = torch.cat([places[:prefix], places[prefix:].repeat(rows)])[None]
    with replaced_attention(network, NAME):
        out = network.base_model(
            input_ids=ids, position_ids=positions, use_cache=False, prefix_and_rows=(prefix, rows)
        )
    hidden: Tensor = out.last_hidden_state[0, prefix:]
    return hidden.view(rows, length, -1)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    prefix_and_rows: tuple[int, int],
    dropout: float = 0.0,
    **given: Any,
) -> tuple[Tensor, None]:
    """transformers' attention interface: `query` [1, heads, N, size] → [1, N, heads, size].

    Keys in front of the first query's are those of a learnt prefix: every token sees them.
    """
    del attention_mask
    rule = rule_of(module, query.shape[-1], given)
    prefix, rows = prefix_and_rows
    before = key.shape[2] - query.shape[2] + prefix
    key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))

    def behind(x: Tensor) -> Tensor:
        return torch.cat([x[:, :, :before].expand(rows, -1, -1, -1), _apart(x, before, rows)], 2)

    first = _attention(query[:, :, :prefix], key[:, :, :before], value[:, :, :before], rule, dropout)
    own = _attention(_apart(query, prefix, rows), behind(key), behind(value), rule, dropout)
    out = torch.cat([first[0], own.transpose(0, 1).flatten(1, 2)], 1)
    return out.transpose(0, 1)[None], None


AttentionInterface.register(NAME, attend)


def _apart(x: Tensor, start: int, rows: int) -> Tensor:
    """What lies behind `start`, row by row: [1, heads, start + rows · L, size] → [rows, heads, L, size]."""
    return x[0, :, start:].unflatten(1, (rows, -1)).transpose(0, 1)


def _attention(query: Tensor, key: Tensor, value: Tensor, rule: Rule, dropout: float) -> Tensor:
    """Causal attention of the last queries [B, heads, Q, size] to all keys, [B, heads, K, size]."""
    last = key.shape[2] - query.shape[2]
    seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril(last)
    if rule.window is not None:
        seen = seen.triu(last - rule.window + 1)
    if rule.softcap is None:
        return scaled_dot_product_attention(query, key, value, seen, dropout, scale=rule.scale)
    scores = torch.tanh((query @ key.transpose(-1, -2)).float() * (rule.scale / rule.softcap)) * rule.softcap
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1).to(value.dtype)
    return torch.dropout(weights, dropout, train=dropout > 0) @ value

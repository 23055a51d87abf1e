"""Puts a network into the state that the engine needs, and restores it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from transformers import AttentionInterface

from harness.core.torch_types import Layer, Network
from harness.engines.hf.cpu_matmul import quick_products
from harness.engines.hf.forward_pass import ACTIVE
from harness.models.architecture import base_of
from harness.models.attention import replaced_attention, rule_of, why_not
from harness.models.layers.attached import learnt_prefix
from harness.models.layers.folded import NOTHING_FOLDED, FoldedLayers
from harness.models.layers.narrow_lora import narrow_lora
from harness.models.placement import devices

NAME = "harness_shared_prefix"
"""The name under which transformers knows our attention function."""


def shared_prefix_attention(
    module: Layer, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: object
) -> tuple[Tensor, None]:
    """transformers' attention interface: `query` [1, heads, N, size] → [1, N, heads, size].

    Raises:
        UnsupportedAttention: the layer needs something that is not implemented here.
    """
    del key, value, attention_mask
    rule = rule_of(module, query.shape[-1], options)
    out = ACTIVE.get().attend(module.layer_idx, query[0], rule)
    return out.transpose(0, 1)[None], None


AttentionInterface.register(NAME, shared_prefix_attention)


def why_not_shared(network: Network) -> str | None:
    """Why this network does not support shared-prefix attention, judged by its configuration; None if it
    does."""
    if any(getattr(c, "is_prompt_learning", False) for c in getattr(network, "peft_config", {}).values()):
        return "its adapter prepends learned tokens"
    if len(devices(base_of(network))) > 1:
        return "its layers are on several devices"
    if learnt_prefix(base_of(network)) is not None:
        return "a prefix is learned in every layer"
    return why_not(network)


@contextlib.contextmanager
def serving(network: Network, attention: str | None, folded: FoldedLayers = NOTHING_FOLDED) -> Iterator[None]:
    """Evaluation mode, no gradients, the attention function of that name (None: its own), and folded adapters.

    Everything is restored at the end, so that training can continue unaffected.
    """
    training = [module for module in network.modules() if module.training]
    for module in training:
        module.training = False
    chosen = replaced_attention(network, attention) if attention else contextlib.nullcontext()
    try:
        with chosen, quick_products(network), torch.no_grad(), folded.used(), narrow_lora(network):
            yield
    finally:
        for module in training:
            module.training = True

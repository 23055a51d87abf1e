"""A learned prefix: keys and values that every layer sees before the text.

It is added below the network's interface. Callers pass ids, masks, positions and caches as if there were no
prefix; the network fills an empty cache with the prefix and shifts its inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import DynamicCache

from harness.core.errors import ConfigError, RunError
from harness.core.torch_types import Layer, Network
from harness.models.architecture import body_of
from harness.models.dimensions import head_size, key_value_heads
from harness.models.layers.attached import learnt_prefix
from harness.models.layers.peft_files import read_prompt, write_prompt
from harness.models.rotary import switching_length


class Prefix(nn.Module):
    """`states` [tokens, layers × 2 × heads × size] (peft's layout), float32."""

    def __init__(self, states: Tensor, heads: int, layers: int) -> None:
        super().__init__()
        self.states = nn.Parameter(states)
        self.heads, self.layers = heads, layers
        self.hook: RemovableHandle | None = None

    def __len__(self) -> int:
        return len(self.states)

    def pairs(self, rows: int, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of each layer, [rows, heads, tokens, size]."""
        parts = self.states.view(len(self.states), 2 * self.layers, self.heads, -1).permute(1, 2, 0, 3)
        parts = parts.to(dtype).unsqueeze(1).expand(-1, rows, -1, -1, -1)
        return [(parts[2 * i], parts[2 * i + 1]) for i in range(self.layers)]

    def put_in(
        self, body: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Before the network's body runs: an empty cache gets the prefix, the rest is shifted."""
        if getattr(body, "is_activation_checkpointing", False) and body.training:
            raise ConfigError("prefix tuning works without activation checkpointing only")
        cache = kwargs.get("past_key_values")
        if cache is None:
            cache = kwargs["past_key_values"] = DynamicCache(config=body.config)
        input_ids = args[0] if args else kwargs.get("input_ids")
        input_ids = kwargs["inputs_embeds"] if input_ids is None else input_ids
        if cache.get_seq_length() == 0:
            for layer, (key, value) in enumerate(self.pairs(input_ids.shape[0], body.dtype)):
                cache.update(key, value, layer)
        mask = kwargs.get("attention_mask")
        if mask is not None:
            kwargs["attention_mask"] = torch.cat([mask.new_ones(len(mask), len(self)), mask], 1)
        if kwargs.get("position_ids") is not None:
            kwargs["position_ids"] = kwargs["position_ids"] + len(self)
        return args, kwargs


def attach(network: Network, states: Tensor) -> None:
    """Prepend the prefix `states` in every layer; only it is trainable.

    Raises:
        ConfigError: the network already has a prefix, or its layers keep no keys and values.
    """
    _refuse_second(network)
    _refuse_switching(network)
    config = network.config.get_text_config()
    network.requires_grad_(False)
    heads, layers = key_value_heads(config), config.num_hidden_layers
    prefix = Prefix(states.detach().float().to(network.device), heads, layers)
    prefix.hook = body_of(network).register_forward_pre_hook(prefix.put_in, with_kwargs=True)
    network.learnt_prefix = prefix


def detach(network: Network) -> None:
    """Remove the prefix."""
    if (prefix := learnt_prefix(network)) is not None:
        prefix.hook.remove()
        del network.learnt_prefix


def drawn(network: Network, ids: list[int]) -> Tensor:
    """Initial states: the keys and values that the network computes for `ids`.

    Real activations make a better start than random numbers (Li and Liang 2021, section 7.4).

    Raises:
        ConfigError: the network's layers keep no keys and values, or not of the whole prefix.
    """
    _refuse_second(network)
    cache = DynamicCache(config=network.config)
    with torch.no_grad():
        body_of(network)(
            input_ids=torch.tensor([ids], device=network.device), past_key_values=cache, use_cache=True
        )
    parts = [getattr(layer, name, None) for layer in cache.layers for name in ("keys", "values")]
    complete = [part[0].float() for part in parts if part is not None and part.shape[2] == len(ids)]
    if len(complete) != len(parts):
        raise ConfigError(
            f"prefix_tuning needs layers that keep keys and values of {len(ids)} tokens",
            remedy="use prompt_tuning, or fewer virtual tokens",
        )
    text = network.config.get_text_config()
    if {part.shape for part in complete} != {(key_value_heads(text), len(ids), head_size(text))}:
        raise ConfigError(
            "prefix_tuning needs keys and values of the size that the model's configuration says, the same in every layer",
            remedy="weights: prompt_tuning",
        )
    return torch.stack(complete).permute(2, 0, 1, 3).flatten(1)


def _refuse_switching(network: Network) -> None:
    if switching_length(network.config) is not None:
        # transformers drops the cache, and the prefix in it, if an answer exceeds that length.
        raise ConfigError(
            "a learned prefix does not survive where this model's rotary frequencies change with the length",
            remedy="weights: prompt_tuning",
        )


def _refuse_second(network: Network) -> None:
    if learnt_prefix(network) is not None:
        raise ConfigError("this model has a learned prefix already", remedy="use one stage of prefix_tuning")


def save(network: Network, folder: Path) -> None:
    """Write the prefix in peft's layout."""
    from peft import PrefixTuningConfig

    prefix = network.learnt_prefix
    config = PrefixTuningConfig(
        num_virtual_tokens=len(prefix),
        num_attention_heads=prefix.heads,
        token_dim=prefix.states.shape[1] // (2 * prefix.layers),
    )
    write_prompt(network, prefix.states, config, folder)


def load(network: Network, folder: Path) -> None:
    """Add the prefix that `save` wrote.

    Raises:
        RunError: there is no prefix, or it belongs to another network.
    """
    states = read_prompt(network, folder)
    if states.shape[1] % (2 * network.config.get_text_config().num_hidden_layers):
        raise RunError(f"the prefix at {folder} does not fit this model's layers")
    attach(network, states)
    network.requires_grad_(False)
    network.eval()

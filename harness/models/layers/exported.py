"""A trained network as other tools load it: rebuilt from a configuration and plain weights alone.

What the parity gate checks and what `harness export` writes are both this network, so whatever the
configuration cannot express, or merging gets wrong, shows before a score is given.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.core.errors import RunError
from harness.core.torch_types import Layer, ModelConfig, Network
from harness.models.architecture import base_of
from harness.models.cache import quiet
from harness.models.layers import plain_layers, tied
from harness.models.layers.out_of_memory import is_out_of_memory, release
from harness.models.layers.widened import in_float32
from harness.models.number_format import dtype_of
from harness.models.placement import devices

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import GenerationConfig


def rebuilt(
    network: Network,
    *,
    adapters: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Network:
    """A plain network of the same class, built as `from_pretrained` does, that shares the weights which need
    no change. `network` is left unchanged.

    Args: adapters: merge them; if False, the result is the base under them.
        device: where its weights are put; by default where they are.
        dtype: float32, for adapters that are merged in it and a result that computes in it; by default both are in
            the network's own number format.

    Raises:
        RunError: the configuration does not describe a network with these weights.
    """
    where = network.device if device is None else device
    state = _moved(tensors(network, adapters, dtype, where), where, dtype)
    return loaded(network, state, adapters=adapters, where=where, dtype=dtype)


def tensors(
    network: Network, adapters: bool, dtype: torch.dtype | None, where: torch.device | str
) -> Mapping[str, Tensor]:
    """The plain network's tensors by name. Those of layers that are adapted or quantized are moved to `where`, or to the
    meta device if only their shapes matter, one layer after another: memory may not hold all of them.

    Args: adapters: merge them; if False, the result is the base under them.
    """
    return _state(network, adapters, dtype, where)


def layer_tensors(
    layer: Layer, adapters: bool, dtype: torch.dtype | None, number: torch.dtype
) -> Mapping[str, Tensor]:
    """The tensors of the plain layer that stands for an adapted or quantized one.

    Args:
        adapters: see `tensors`.
        dtype: the number format that adapters are merged in; None: the layer's own.
        number: the number format of what was quantized.
    """
    source = layer if adapters else plain_layers.innermost(layer)
    held = bool(plain_layers.quantization(plain_layers.innermost(layer)))
    with contextlib.nullcontext() if dtype is None else in_float32(source):
        made = plain_layers.plain(source, number) if adapters or held else source
    return made.state_dict()


def loaded(
    network: Network,
    state: Mapping[str, Tensor],
    *,
    adapters: bool,
    where: torch.device | str,
    dtype: torch.dtype | None,
) -> Network:
    """A network of the same class that `from_pretrained` makes of these tensors.

    Raises:
        RunError: the configuration does not describe a network with these weights.
    """
    configuration = _configuration(network, untied=adapters and tied.adapted(network))
    try:
        with quiet():
            cls: Any = type(network)
            made, report = cls.from_pretrained(
                None,
                config=configuration,
                state_dict=dict(state),
                dtype=dtype or dtype_of(network),
                device_map={"": where},
                output_loading_info=True,
            )
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        reason = str(error).strip().splitlines()[0]
        raise RunError(f"the exported network cannot be loaded: {type(error).__name__}: {reason}") from None
    wrong = [
        str(name) for key in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in report[key]
    ]
    if wrong:
        raise RunError(f"the exported network does not fit its configuration: {', '.join(sorted(wrong)[:3])}")
    rebuilt_network: Network = made.eval()
    return rebuilt_network


def rebuilt_where_it_fits(network: Network) -> Network:
    """`rebuilt`, with adapters merged, on the network's device; on the host where that device has no room for it, or
    where the network is laid over several.

    Raises:
        RunError: see `rebuilt`.
    """
    if len(devices(base_of(network))) < 2:
        try:
            return rebuilt(network)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        release()
    return rebuilt(network, device="cpu")


def generation_config(network: Network, eos_ids: Iterable[int]) -> GenerationConfig:
    """Generation settings that answer as the engines do: greedily, without any of the base's rules."""
    return fresh_generation_config(network.generation_config, eos_ids)


def fresh_generation_config(own: Any, eos_ids: Iterable[int]) -> GenerationConfig:
    """Settings with the special tokens of `own`, and none of the base's rules."""
    from transformers import GenerationConfig

    names = ("bos_token_id", "pad_token_id", "decoder_start_token_id")
    ids = {name: getattr(own, name, None) for name in names if getattr(own, name, None) is not None}
    return GenerationConfig(eos_token_id=sorted(eos_ids), do_sample=False, **ids)


_NO_RULE = {
    "bos_token_id",
    "cache_implementation",
    "decoder_start_token_id",
    "do_sample",
    "eos_token_id",
    "max_length",
    "max_new_tokens",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "transformers_version",
    "use_cache",
}
"""Generation settings that change no greedy answer, that every request states, or that are handled
separately."""


def generation_rules(own: Any, eos_ids: Iterable[int]) -> dict[str, object]:
    """What `generate` must be given so that it answers as the engines do: each rule of the base (sampling,
    repetition penalty, beams, bans) with the value that switches it off, and the tokens that end an answer if
    the base names others.

    Args:
        own: the base's generation settings.
        eos_ids: the tokens that end an answer.
    """
    neutral = type(own)._get_default_generation_params()
    rules = {name for name in own.to_diff_dict() if name not in _NO_RULE and not name.startswith("_")}
    sampling = {"temperature", "top_p", "top_k", "min_p", "typical_p"}
    off = {name: neutral.get(name) for name in sorted(rules - sampling)}
    if own.do_sample:
        off["do_sample"] = False
    ends = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    if set(ends) != set(eos_ids):
        off["eos_token_id"] = sorted(eos_ids)
    return off


def _configuration(network: Network, untied: bool) -> ModelConfig:
    configuration = copy.deepcopy(network.config)
    if hasattr(configuration, "quantization_config"):
        del configuration.quantization_config
    if untied:
        tied.mark(configuration)
    return configuration


def _moved(
    state: Mapping[str, Tensor], where: torch.device | str, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """The tensors on a device, and in a number format if one is given; tied ones stay one tensor."""
    moved: dict[tuple[int, torch.Size], Tensor] = {}
    for tensor in state.values():
        number = tensor.dtype if dtype is None or not tensor.is_floating_point() else dtype
        moved.setdefault((tensor.data_ptr(), tensor.shape), tensor.to(where, number))
    return {name: moved[tensor.data_ptr(), tensor.shape] for name, tensor in state.items()}


def _state(
    network: Network, adapters: bool, dtype: torch.dtype | None, where: torch.device | str
) -> Mapping[str, Tensor]:
    number = dtype or dtype_of(network)
    layers = dict(plain_layers.special(network))
    inside = tuple(f"{path}." for path in layers)
    state = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if not (inside and name.startswith(inside))
    }
    for path, layer in layers.items():
        plain = layer_tensors(layer, adapters, dtype, number)
        made = adapters or bool(plain_layers.quantization(plain_layers.innermost(layer)))
        state |= {f"{path}.{name}": tensor.to(where) if made else tensor for name, tensor in plain.items()}
    return state

"""peft adapters inside a network, without peft's wrapper around it.

The network keeps its class, so engines need not know about adapters. Several
adapters (one for each training stage) are active together; only the newest is trained.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, RunError
from harness.core.torch_types import Network
from harness.models.layers import plain_layers, tied, weights_io

_FOLDED = {"earlier_stages_of_dora": "folded"}

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import Tensor


def attach(network: Network, config: PeftConfig) -> str:
    """Add the adapter of a peft configuration and return its name; only it has gradients.

    Its parameters are float32, whatever the network's number format. Adapters of one method are active side
    by side; those of another method are merged into the weights first, and so are all before a DoRA adapter.

    Raises:
        ConfigError: peft cannot put this adapter into this network.
    """
    from peft.tuners.tuners_utils import cast_adapter_dtype

    _fold_incompatible(network, config)
    existing = names(network)
    name = f"stage{len(existing)}" if existing else "default"
    try:
        with expected_warnings():
            network.add_adapter(config, name)
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        remedy = "name its layers in target_modules, or choose other weights"
        raise ConfigError(f"peft cannot adapt this model: {error}", remedy=remedy) from None
    tied.refuse_others(network)
    network.set_adapter([*existing, name])
    cast_adapter_dtype(network, name)
    for parameter, tensor in network.named_parameters():
        tensor.requires_grad_(f".{name}." in parameter or parameter.endswith(f".{name}"))
    return name


@contextlib.contextmanager
def expected_warnings() -> Iterator[None]:
    """Inside the `with` block peft does not warn about what is intended or fixed here."""
    with warnings.catch_warnings():
        # Stages put a second adapter beside the first on purpose.
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        # Tied ends are separated when they are merged.
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        # peft's own patterns for fused experts, which it applies nevertheless.
        warnings.filterwarnings("ignore", message="The following (rank|alpha)_pattern keys did not match")
        # GPT-2 mixes Conv1D and linear layers, and a Conv1D becomes linear once quantized: peft handles each.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to")
        # peft still calls transformers by the old name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield


def names(network: Network) -> list[str]:
    """Names of the adapters in the network, oldest first."""
    return list(network.peft_config) if getattr(network, "_hf_peft_config_loaded", False) else []


def save(network: Network, folder: Path) -> None:
    """Write the newest adapter in peft's layout, which other tools read directly."""
    from peft import get_peft_model_state_dict

    name = names(network)[-1]
    state = get_peft_model_state_dict(network, adapter_name=name, save_embedding_layers=False)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"base_model.model.{key}": tensor.detach().contiguous() for key, tensor in state.items()}
    weights_io.write(tensors, folder / "adapter_model.safetensors", {"format": "pt", **_FOLDED})
    config = copy.copy(network.peft_config[name])
    config.inference_mode = True
    # A path on this machine, which means nothing elsewhere.
    config.base_model_name_or_path = None
    config.save_pretrained(folder)


def load(network: Network, folder: Path) -> None:
    """Add the adapter that `save` wrote.

    Raises:
        RunError: no adapter in the folder, or one of another network.
    """
    from peft import PeftConfig, set_peft_model_state_dict
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise RunError(f"no adapter at {folder}")
    config = PeftConfig.from_pretrained(str(folder))
    config.inference_mode = False
    if getattr(config, "use_dora", False) and names(network):
        _refuse_unfolded(file)
    name = attach(network, config)
    stored = {key.removeprefix("base_model.model."): tensor for key, tensor in load_file(file).items()}
    state = own_tensors(network, stored)
    outcome: Any = set_peft_model_state_dict(network, state, adapter_name=name)
    missing = [key for key in outcome.missing_keys if f".{name}." in key]
    if outcome.unexpected_keys or missing:
        raise RunError(
            f"the adapter at {folder} does not fit this model: {[*outcome.unexpected_keys, *missing][:3]}"
        )
    network.requires_grad_(False)
    network.eval()


def _refuse_unfolded(file: Path) -> None:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as stored:
        about = stored.metadata() or {}
    if not _FOLDED.items() <= about.items():
        raise RunError(
            f"the DoRA adapter at {file.parent} was trained beside an earlier stage, as it no longer is: train again"
        )


def own_tensors(network: Network, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An adapter's tensors without the base's weights. Files of earlier versions hold the base's embeddings
    if these are adapted, and loading them would put these embeddings into any base they are loaded over."""
    base = {name.replace(".base_layer", "") for name, _ in network.named_parameters()}
    return {name: tensor for name, tensor in tensors.items() if name.replace(".base_layer", "") not in base}


def detach(network: Network) -> None:
    """Remove every adapter: the network is the base again, bit for bit, unless the adapter's initialization
    changed it (PiSSA, OLoRA, LoftQ)."""
    from harness.models.layers import bottleneck, prefix, soft_prompt

    _unwrap(network, merge=False)
    for learned in (bottleneck, prefix, soft_prompt):
        learned.detach(network)


def fold(network: Network) -> None:
    """Merge every adapter into the weights that it adapts, permanently. Embeddings that are also the output
    layer become two matrices if an adapter changes one of them."""
    tied.untie(network)
    _unwrap(network, merge=True)


def _fold_incompatible(network: Network, config: PeftConfig) -> None:
    """Merge earlier adapters that cannot be active beside a new one: those of another method, and any before DoRA.

    peft's DoRA scales the output of earlier adapters when it answers, but the base alone when it trains with
    dropout; and merging takes its norm over both. Over weights that include the earlier stage, all three
    agree.
    """
    from harness.models.layers.blocks import refuse_quantized

    earlier = getattr(network, "peft_config", {}).values()
    if any(one.peft_type != config.peft_type for one in earlier):
        refuse_quantized(network, "an adapter over one of another method")
        fold(network)
    elif earlier and getattr(config, "use_dora", False):
        refuse_quantized(network, "DoRA after another adapter")
        fold(network)


def _unwrap(network: Network, merge: bool) -> None:
    for path, layer in list(plain_layers.adapted(network)):
        parent, _, child = path.rpartition(".")
        base = plain_layers.merge(layer) if merge else plain_layers.innermost(layer)
        setattr(network.get_submodule(parent), child, base)
    if names(network):
        del network.peft_config
        network._hf_peft_config_loaded = False

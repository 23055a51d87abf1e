"""peft adapters inside a network, without peft's wrapper around it.

The network keeps its class, so engines need not know about adapters. Several
adapters (one for each training stage) are active together; the newest is the one that moves.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError, RunError
from harness.core.torch_types import Layer, Network
from harness.models.patch_forward import replaced

if TYPE_CHECKING:
    from peft import PeftConfig
    from torch import Tensor


def attach(network: Network, config: PeftConfig) -> str:
    """Add the adapter of a peft configuration and return its name; only it has gradients.

    Its parameters are float32, whatever the network's are. Adapters of one method are active side by side;
    those of another method are merged into the weights first.

    Raises:
        ConfigError: peft cannot put this adapter into this network.
    """
    from peft.tuners.tuners_utils import cast_adapter_dtype

    _fold_other_methods(network, config.peft_type)
    existing = names(network)
    name = f"stage{len(existing)}" if existing else "default"
    try:
        with warnings.catch_warnings():
            # A second adapter beside the first is what stages are.
            warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
            network.add_adapter(config, name)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"peft cannot adapt this model: {error}") from None
    network.set_adapter([*existing, name])
    cast_adapter_dtype(network, name)
    for parameter, tensor in network.named_parameters():
        tensor.requires_grad_(f".{name}." in parameter or parameter.endswith(f".{name}"))
    return name


def names(network: Network) -> list[str]:
    """Names of the adapters in the network, oldest first."""
    return list(network.peft_config) if getattr(network, "_hf_peft_config_loaded", False) else []


def save(network: Network, folder: Path) -> None:
    """Write the newest adapter in peft's layout, which other tools read directly."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    name = names(network)[-1]
    state = get_peft_model_state_dict(network, adapter_name=name)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"base_model.model.{key}": tensor.detach().contiguous() for key, tensor in state.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = copy.copy(network.peft_config[name])
    config.inference_mode = True
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
    name = attach(network, config)
    state = {key.removeprefix("base_model.model."): tensor for key, tensor in load_file(file).items()}
    outcome: Any = set_peft_model_state_dict(network, state, adapter_name=name)
    missing = [key for key in outcome.missing_keys if f".{name}." in key]
    if outcome.unexpected_keys or missing:
        raise RunError(
            f"the adapter at {folder} does not fit this model: {[*outcome.unexpected_keys, *missing][:3]}"
        )
    network.requires_grad_(False)
    network.eval()


def detach(network: Network) -> None:
    """Remove every adapter: the network is the base again, bit for bit, unless the adapter's initialization
    changed it (PiSSA, OLoRA, LoftQ)."""
    from harness.models.layers import bottleneck, prefix, soft_prompt

    _unwrap(network, merge=False)
    for learned in (bottleneck, prefix, soft_prompt):
        learned.detach(network)


def fold(network: Network) -> None:
    """Merge every adapter into the weights that it adapts, permanently."""
    _unwrap(network, merge=True)


def _fold_other_methods(network: Network, method: object) -> None:
    from harness.models.layers.blocks import refuse_quantized

    if any(config.peft_type != method for config in getattr(network, "peft_config", {}).values()):
        refuse_quantized(network, "an adapter over one of another method")
        fold(network)


def _unwrap(network: Network, merge: bool) -> None:
    for path, layer in list(_layers(network)):
        if merge:
            layer.merge()
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, layer.get_base_layer())
    if names(network):
        del network.peft_config
        network._hf_peft_config_loaded = False


@contextlib.contextmanager
def merged(network: Network) -> Iterator[None]:
    """Inside the `with` block every adapted layer computes with merged weights, as after an export.

    They are made layer by layer while computing, so this needs no second copy of the network. A
    quantized layer is merged as it is exported: dequantized, then added to.
    """
    with replaced([layer for _, layer in _layers(network)], _merged_forward):
        yield


@contextlib.contextmanager
def unrounded_inputs(network: Network) -> Iterator[None]:
    """Inside the `with` block 8-bit layers multiply unrounded inputs, as they do after an export.

    LLM.int8() rounds inputs to 8 bits too, which moves the logits of some models more than any merge.
    """
    # An adapted layer shows its base layer's weight as its own.
    adapted = {id(layer) for _, layer in _layers(network)}
    layers = [m for m in network.modules() if quantization(m) == "8bit" and id(m) not in adapted]
    with replaced(layers, _dequantized):
        yield


def _layers(network: Network) -> Iterator[tuple[str, Layer]]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return ((path, m) for path, m in network.named_modules() if isinstance(m, BaseTunerLayer))


def _merged_forward(layer: Layer, x: Tensor, *args: object, **kwargs: object) -> Tensor:
    if quantization(layer.get_base_layer()):
        return _dequantized(layer, x)
    # The copy's own forward must not be the one set on the original.
    held = layer.__dict__.pop("forward")
    try:
        alone = copy.deepcopy(layer)
    finally:
        layer.forward = held
    alone.merge()
    out: Tensor = alone.get_base_layer()(x, *args, **kwargs)
    return out


def _dequantized(layer: Layer, x: Tensor) -> Tensor:
    from torch.nn.functional import linear

    weight, bias = merged_weight(layer)
    return linear(x.float(), weight, bias).to(x.dtype)


def merged_weight(layer: Layer) -> tuple[Tensor, Tensor | None]:
    """Float32 weight [out, in] and bias (or None) of a quantized layer, with what its adapters add."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = isinstance(layer, BaseTunerLayer)
    base = layer.get_base_layer() if adapted else layer
    weight, bias = _dequantize(base), None if base.bias is None else base.bias.float()
    for name in layer.active_adapters if adapted else ():
        if hasattr(layer, "ia3_l"):
            # (IA)³ scales rows, or columns of a feed-forward layer.
            scale = layer.ia3_l[name].float()
            weight = weight * scale
            bias = bias if bias is None or layer.is_feedforward else bias * scale.flatten()
            continue
        weight = weight + layer.get_delta_weight(name).float()
        if (magnitude := getattr(layer, "lora_magnitude_vector", {})) and name in magnitude:
            weight = weight * (magnitude[name].weight.float() / weight.norm(dim=1)).unsqueeze(1)
    return weight, bias


def quantization(module: Layer) -> str:
    """How bitsandbytes holds a module's weights: `4bit`, `8bit`, or empty when it does not."""
    held = type(getattr(module, "weight", None)).__name__
    return {"Params4bit": "4bit", "Int8Params": "8bit"}.get(held, "")


def _dequantize(base: Layer) -> Tensor:
    """The float32 weights of a quantized layer, [out, in]; the layer stays as it is."""
    if quantization(base) == "4bit":
        from bitsandbytes.functional import dequantize_4bit

        return dequantize_4bit(base.weight.data, base.weight.quant_state).float()
    scale = base.state.SCB if base.state.SCB is not None else base.weight.SCB
    weight: Tensor = base.weight.data.float() * (scale.float() / 127).unsqueeze(1)
    return weight

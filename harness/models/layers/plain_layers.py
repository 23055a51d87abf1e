"""The plain layer that an adapted or quantized layer stands for: what an export writes in its place."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

from harness.core.torch_types import Layer, Network
from harness.models.patch_forward import replaced

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def quantization(module: Layer) -> str:
    """How bitsandbytes holds a module's weights: `4bit`, `8bit`, or empty when it does not."""
    held = type(getattr(module, "weight", None)).__name__
    return {"Params4bit": "4bit", "Int8Params": "8bit"}.get(held, "")


def quantized_share(network: Network) -> float | None:
    """The share of the weights between embeddings and output layer that bitsandbytes holds in few bits; None
    if nothing is quantized.

    bitsandbytes replaces linear layers only: fused experts and an architecture's own layers are left
    unchanged.
    """
    ends = {
        id(end.weight) for end in (network.get_input_embeddings(), network.get_output_embeddings()) if end
    }
    held = whole = 0
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() < 2 or id(parameter) in ends:
                continue
            state = getattr(parameter, "quant_state", None)
            size = parameter.numel() if state is None else state.shape.numel()
            whole += size
            held += size if name == "weight" and quantization(module) else 0
    return held / whole if held else None


def adapted(network: Network) -> Iterator[tuple[str, Layer]]:
    """Path and layer of every adapted layer. Of wrappers inside each other (one for each parameter of a
    mixture of experts) only the outermost: it stands for all of them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return _outermost(network, lambda module: isinstance(module, BaseTunerLayer))


def special(network: Network) -> Iterator[tuple[str, Layer]]:
    """Path and layer of every layer that is adapted, quantized or both."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return _outermost(
        network, lambda module: isinstance(module, BaseTunerLayer) or bool(quantization(module))
    )


def plain(layer: Layer, dtype: torch.dtype | None) -> Layer:
    """A plain copy of an adapted or quantized layer, with its active adapters merged; the layer is left
    unchanged.

    Args:
        dtype: the number format of what was quantized; other layers keep their format.
    """
    base = innermost(layer)
    if quantization(base):
        return _dequantized_layer(layer, base, dtype)
    return merge(copy.deepcopy(layer))


def merge(layer: Layer) -> Layer:
    """Merge an adapted layer's adapters in place, and return the layer below them."""
    for wrapper in wrappers(layer):
        wrapper.merge()
    return innermost(layer)


def wrappers(layer: Layer) -> list[Layer]:
    """An adapted layer and the adapted layers inside it, the innermost first."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    chain: list[Layer] = []
    inner: Any = layer
    while isinstance(inner, BaseTunerLayer):
        wrapper = cast(Layer, inner)
        chain.append(wrapper)
        inner = wrapper.base_layer
    return chain[::-1]


def innermost(layer: Layer) -> Layer:
    """The layer that adapters wrap, or the layer itself."""
    base: Layer = layer.get_base_layer() if wrappers(layer) else layer
    return base


def dequantized(layer: Layer) -> Tensor:
    """The float32 weights of a quantized layer, [out, in]; the layer is left unchanged."""
    if quantization(layer) == "4bit":
        import torch
        from bitsandbytes.functional import dequantize_4bit

        # In its own number format it would be rounded once more than when it computes in float32.
        state = copy.copy(layer.weight.quant_state)
        state.dtype = torch.float32
        return dequantize_4bit(layer.weight.data, state)
    scale = layer.state.SCB if layer.state.SCB is not None else layer.weight.SCB
    weight: Tensor = layer.weight.data.float() * (scale.float() / 127).unsqueeze(1)
    return weight


def merged_weight(layer: Layer) -> tuple[Tensor, Tensor | None]:
    """Float32 weight [out, in] and bias (or None) of a quantized layer, with what its adapters add."""
    base = innermost(layer)
    weight, bias = dequantized(base), None if base.bias is None else base.bias.float()
    for name in layer.active_adapters if wrappers(layer) else ():
        if hasattr(layer, "ia3_l"):
            # (IA)³ scales rows, or columns of a feed-forward layer.
            scale = layer.ia3_l[name].float()
            weight = weight * scale
            bias = bias if bias is None or layer.is_feedforward else bias * scale.flatten()
            continue
        if name not in layer.lora_A:
            continue
        weight = weight + layer.get_delta_weight(name).float()
        if (magnitude := getattr(layer, "lora_magnitude_vector", {})) and name in magnitude:
            weight = weight * (magnitude[name].weight.float() / weight.norm(dim=1)).unsqueeze(1)
    return weight, bias


@contextlib.contextmanager
def merged(network: Network) -> Iterator[None]:
    """Inside the `with` block every adapted layer computes with merged weights, which are created during the
    computation."""
    with replaced([layer for _, layer in adapted(network)], _merged_forward):
        yield


@contextlib.contextmanager
def unrounded_inputs(network: Network) -> Iterator[None]:
    """Inside the `with` block 8-bit layers multiply unrounded inputs, as they do after an export.

    LLM.int8() rounds inputs to 8 bits too, which moves the logits of some models more than any merge.
    """
    # An adapted layer exposes its base layer's weight as its own.
    outer = {id(layer) for _, layer in adapted(network)}
    layers = [m for m in network.modules() if quantization(m) == "8bit" and id(m) not in outer]
    with replaced(layers, _dequantized_forward):
        yield


def _outermost(network: Network, chosen: Callable[[Layer], bool]) -> Iterator[tuple[str, Layer]]:
    inside: tuple[str, ...] = ()
    for path, module in list(network.named_modules()):
        if chosen(module) and not (inside and path.startswith(inside)):
            inside = (*inside, f"{path}.")
            yield path, module


def _dequantized_layer(layer: Layer, base: Layer, dtype: torch.dtype | None) -> Layer:
    """A layer of the class that it had before it was quantized: GPT-2's class keeps its weights
    transposed."""
    import torch
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    with torch.no_grad():
        weight, bias = merged_weight(layer)
    transposed = getattr(base, "source_cls", None) is Conv1D
    rows, columns = weight.shape
    with torch.device("meta"):
        made: Any = Conv1D(rows, columns) if transposed else nn.Linear(columns, rows, bias=bias is not None)
    held = weight.T.contiguous() if transposed else weight
    made.weight = nn.Parameter(held.to(dtype), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
    elif transposed:
        made.bias = nn.Parameter(torch.zeros(rows, dtype=dtype, device=weight.device), requires_grad=False)
    return cast(Layer, made)


def _merged_forward(layer: Layer, x: Tensor, *args: object, **kwargs: object) -> Tensor:
    if quantization(innermost(layer)):
        return _dequantized_forward(layer, x)
    # The copy's own forward must not be the one set on the original.
    held = layer.__dict__.pop("forward")
    try:
        alone = plain(layer, None)
    finally:
        layer.forward = held
    out: Tensor = alone(x, *args, **kwargs)
    return out


def _dequantized_forward(layer: Layer, x: Tensor) -> Tensor:
    from torch.nn.functional import linear

    weight, bias = merged_weight(layer)
    return linear(x.float(), weight, bias).to(x.dtype)

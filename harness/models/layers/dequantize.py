"""Turns a quantized network with its adapters into a plain one for export."""

from __future__ import annotations

from harness.core.torch_types import Network
from harness.models.layers.adapters import merged_weight, quantization


def merge(network: Network) -> None:
    """Replace quantized linear layers by plain ones, merged with their adapters, in the dtype of the rest of
    the network. A network that is not quantized is left unchanged.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch import nn

    if not getattr(network, "is_quantized", False):
        return
    dtype = network.get_input_embeddings().weight.dtype
    for path, module in list(network.named_modules()):
        adapted = isinstance(module, BaseTunerLayer)
        base = module.get_base_layer() if adapted else module
        if path.endswith("base_layer") or not quantization(base):
            continue
        with torch.no_grad():
            weight, bias = merged_weight(module)
        plain = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        plain.weight = nn.Parameter(weight.to(dtype), requires_grad=False)
        if bias is not None:
            plain.bias = nn.Parameter(bias.to(dtype), requires_grad=False)
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, plain)
    _unmark(network)


def _unmark(network: Network) -> None:
    """transformers refuses to save, or saves as quantized, what carries these marks."""
    for name in ("is_quantized", "is_loaded_in_8bit", "is_loaded_in_4bit"):
        if hasattr(network, name):
            setattr(network, name, False)
    for name in ("hf_quantizer", "quantization_method"):
        network.__dict__.pop(name, None)
    if hasattr(network.config, "quantization_config"):
        del network.config.quantization_config

"""Finds the parts of a transformers network, whatever its architecture calls them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.torch_types import Layer, Network
from harness.models.architecture import body_of

if TYPE_CHECKING:
    import torch
    from torch.nn import ModuleList

OUTPUTS = (
    "o_proj",
    "out_proj",
    "c_proj",
    "dense",
    "down_proj",
    "dense_4h_to_h",
    "fc2",
    "fc_out",
    "wo",
)
"""Names that architectures give to the last linear layer of attention and of the feed-forward part."""


def blocks(network: Network) -> ModuleList:
    """The network's transformer blocks, first to last.

    Raises:
        ConfigError: the network does not keep them in one list.
    """
    from torch.nn import ModuleList

    count = network.config.get_text_config().num_hidden_layers
    for module in _text(network).modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return module
    raise ConfigError(f"{type(network).__name__} does not keep its {count} blocks in one list")


def _text(network: Network) -> Network:
    """The part that text passes; a multimodal network has a tower beside it, perhaps with as many blocks."""
    several = network.config.get_text_config() is not network.config and not network.config.is_encoder_decoder
    text: Network = network.get_decoder() if several else body_of(network)
    return text


def outside_text(network: Network) -> str | None:
    """A regular expression of the modules that no text passes: vision and audio towers and what joins them to
    the text; None if the network has none. They are never computed here, so nothing is learned in them."""
    text = _text(network)
    if text is body_of(network):
        return None
    (inside,) = (name for name, module in network.named_modules() if module is text)
    head = network.get_output_embeddings()
    outside = [
        name
        for name, module in network.named_modules()
        if name
        and module is not head
        and not inside.startswith(name)
        and not (name == inside or name.startswith(f"{inside}."))
        and (not (parent := name.rpartition(".")[0]) or inside.startswith(f"{parent}."))
    ]
    return rf"({'|'.join(map(re.escape, outside))})(\..*)?" if outside else None


def final_norms(network: Network) -> Iterator[torch.nn.Parameter]:
    """Parameters of the network's body after its blocks: the final norm."""
    stack, reached = blocks(network), False
    for module in body_of(network).children():
        if reached:
            yield from module.parameters()
        reached = reached or id(module) == id(stack)


def before_blocks(network: Network) -> Iterator[torch.nn.Parameter]:
    """Parameters before the network's blocks: its embeddings."""
    inside = {id(parameter) for parameter in blocks(network).parameters()}
    for parameter in body_of(network).parameters():
        if id(parameter) in inside:
            return
        yield parameter


def parameters_after_blocks(network: Network) -> Iterator[torch.nn.Parameter]:
    """Every parameter registered after the network's blocks: norms, poolers and heads."""
    inside = {id(parameter) for parameter in blocks(network).parameters()}
    indices = [i for i, parameter in enumerate(network.parameters()) if id(parameter) in inside]
    yield from list(network.parameters())[indices[-1] + 1 :]


def thaw_last(network: Network, count: int) -> None:
    """Make the last `count` blocks and the final norm trainable, and nothing else."""
    network.requires_grad_(False)
    for block in list(blocks(network))[-count:] if count else ():
        block.requires_grad_(True)
    for parameter in final_norms(network):
        parameter.requires_grad_(True)


def block_outputs(network: Network, names: tuple[str, ...] = OUTPUTS) -> list[tuple[str, Layer]]:
    """Path and module of every layer inside the blocks that has one of these names.

    Raises:
        ConfigError: there is none.
    """
    inside = {id(module) for block in blocks(network) for module in block.modules()}
    outputs = [
        (path, module)
        for path, module in network.named_modules()
        if id(module) in inside and path.rpartition(".")[2] in names
    ]
    if not outputs:
        raise ConfigError(
            f"{type(network).__name__} has no layer named {', '.join(names)}",
            remedy="name the last linear layers of its blocks in target_modules",
        )
    return outputs


def refuse_quantized(network: Network, method: str) -> None:
    """Reject networks with 4-bit or 8-bit weights, which cannot be trained.

    Raises:
        ConfigError: the network is quantized.
    """
    if getattr(network, "is_quantized", False):
        raise ConfigError(f"{method} needs unquantized weights", remedy="use base: plain, or weights: lora")

"""Memory of activations goes back to the system while gradients take their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.core.torch_types import Layer, Network

if TYPE_CHECKING:
    import torch

_EVERY = 32 << 20
"""Bytes of gradients between two returns."""


@contextlib.contextmanager
def freed_activations_returned(
    network: Network, parameters: Sequence[torch.nn.Parameter], give_back: Callable[[], None]
) -> Iterator[None]:
    """Inside the `with` block, a backward pass on a CPU calls `give_back` each time it has made another 32 MiB of gradients,
    and before that of the output layer, the largest, when most of what the logits took is free.

    A pass frees a block's activations and allocates the block's gradients, which do not fit into the gaps between
    activations that are still needed. Without it the process grows by nearly all gradients while as much is free.

    Args:
        parameters: those of the network that are trained.
        give_back: returns freed memory (`harness.models.layers.malloc.kept_memory`).
    """
    fresh = 0

    def count(parameter: torch.nn.Parameter) -> None:
        nonlocal fresh
        fresh += parameter.numel() * parameter.element_size()
        if fresh >= _EVERY:
            fresh = 0
            give_back()

    def watch(_layer: Layer, _inputs: object, logits: torch.Tensor) -> None:
        if logits.requires_grad:
            logits.register_hook(lambda _: give_back())

    on_cpu = [parameter for parameter in parameters if parameter.device.type == "cpu"]
    handles = [parameter.register_post_accumulate_grad_hook(count) for parameter in on_cpu]
    outputs = network.get_output_embeddings()
    if any(getattr(outputs, "weight", None) is parameter for parameter in on_cpu):
        handles.append(outputs.register_forward_hook(watch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""Memory of activations goes back to the system while gradients take their place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_EVERY = 8 << 20
"""Bytes of gradients between two returns."""


@contextlib.contextmanager
def freed_activations_returned(
    parameters: Iterable[torch.nn.Parameter], give_back: Callable[[], None]
) -> Iterator[None]:
    """Inside the `with` block, a backward pass on a CPU calls `give_back` each time it has made another 8 MiB of gradients.

    A pass frees a block's activations and allocates the block's gradients, which do not fit into the gaps between
    activations that are still needed. Without it the process grows by nearly all gradients while as much is free.

    Args:
        parameters: those that are trained.
        give_back: returns freed memory (`harness.models.layers.malloc.kept_memory`).
    """
    fresh = 0

    def count(parameter: torch.nn.Parameter) -> None:
        nonlocal fresh
        fresh += parameter.numel() * parameter.element_size()
        if fresh >= _EVERY:
            fresh = 0
            give_back()

    on_cpu = [parameter for parameter in parameters if parameter.device.type == "cpu"]
    handles = [parameter.register_post_accumulate_grad_hook(count) for parameter in on_cpu]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

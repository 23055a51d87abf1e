"""Something that holds for one transformer block of a network at a time, while that block computes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from harness.core.errors import ConfigError
from harness.core.torch_types import Layer, Network
from harness.models.layers.blocks import blocks

Around = Callable[[Iterable[Layer]], contextlib.AbstractContextManager[None]]
"""Some modules → a context of their own tensors, without those of modules inside them."""


@contextlib.contextmanager
def block_by_block(network: Network, around: Around) -> Iterator[None]:
    """Inside the `with` block, `around` is entered for all modules outside the network's blocks, and for a block's modules
    while that block computes; for all modules at once where the network has no list of blocks."""
    whole = _blocks(network)
    inside = {id(module) for block in whole for module in block.modules()}
    outside = [module for module in network.modules() if id(module) not in inside]
    entered: list[contextlib.ExitStack] = []

    def before(block: Layer, _inputs: object) -> None:
        entered.append(contextlib.ExitStack())
        entered[-1].enter_context(around(block.modules()))

    def after(_block: Layer, _inputs: object, _output: object) -> None:
        entered.pop().close()

    handles = [block.register_forward_pre_hook(before) for block in whole]
    handles += [block.register_forward_hook(after, always_call=True) for block in whole]
    try:
        with around(outside):
            yield
    finally:
        while entered:
            entered.pop().close()
        for handle in handles:
            handle.remove()


def _blocks(network: Network) -> list[Layer]:
    try:
        return cast(list[Layer], list(blocks(network)))
    except (ConfigError, AttributeError):
        return []

"""A network of the right shape whose weights another process has: no file is read, and its memory stays untouched.

Memory that is reserved and never written takes no room, so a process that will hold a part of a network need not hold the
whole of it first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.torch_types import ModelConfig, Network

if TYPE_CHECKING:
    import torch

_RESERVED: ContextVar[list[Network] | None] = ContextVar("networks without weights", default=None)


@contextlib.contextmanager
def weights_elsewhere() -> Iterator[list[Network]]:
    """Inside the `with` block unquantized models are loaded without their weights; it gives those networks."""
    networks: list[Network] = []
    token = _RESERVED.set(networks)
    try:
        yield networks
    finally:
        _RESERVED.reset(token)


def is_active() -> bool:
    """Whether models are loaded without weights now."""
    return _RESERVED.get() is not None


def has_no_weights(network: Network) -> bool:
    """Whether a network's weights are uninitialized: `reserved` built it, or it was made from such a one."""
    return bool(getattr(network, "weights_elsewhere", False))


def mark(network: Network) -> None:
    """Note that a network's weights are uninitialized."""
    network.weights_elsewhere = True


def reserved(folder: Path, loader: str, dtype: torch.dtype, config: ModelConfig | None) -> Network:
    """The network of a model folder with uninitialized weights, on the CPU; its buffers are as they should be.

    Args:
        loader: the class of transformers that loads it.
        config: in place of the folder's own configuration.
    """
    import transformers
    from transformers.initialization import no_init_weights

    own = config or transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with no_init_weights():
        network: Network = getattr(transformers, loader).from_config(
            own, dtype=dtype, trust_remote_code=False
        )
    network.tie_weights()
    mark(network)
    if (networks := _RESERVED.get()) is not None:
        networks.append(network)
    return network

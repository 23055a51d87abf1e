"""Activation checkpointing (Chen et al. 2016, arXiv:1604.06174): less memory, more computing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from harness.core.errors import ConfigError
from harness.models.layers.attached import learnt_prefix


@contextlib.contextmanager
def recomputed_activations(network: Any, wanted: bool) -> Iterator[None]:
    """Within the block training keeps each transformer block's input only, and computes the rest
    again for the gradient. Dropout is drawn again as it was, so the gradient is the same.

    Raises:
        ConfigError: the network cannot, or has a learnt prefix, which a recomputed block would not see.
    """
    if not wanted:
        yield
        return
    prefix = learnt_prefix(network)
    if prefix is not None or not getattr(network, "supports_gradient_checkpointing", False):
        what = type(network).__name__ if prefix is None else "a learnt prefix"
        raise ConfigError(
            f"activation_checkpointing does not work with {what}",
            remedy="lower per_device_train_batch_size and raise gradient_accumulation_steps instead",
        )
    network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        network.activation_checkpointing_disable()


def recomputes(network: Any) -> bool:
    """Whether a forward pass now would be one whose activations are computed again."""
    return network.training and any(getattr(m, "gradient_checkpointing", False) for m in network.modules())

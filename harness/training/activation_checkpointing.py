"""Activation checkpointing (Chen et al. 2016, arXiv:1604.06174): less memory for more compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness.core.errors import ConfigError
from harness.core.torch_types import Network
from harness.models.layers.attached import learnt_prefix


@contextlib.contextmanager
def recomputed_activations(network: Network, wanted: bool) -> Iterator[None]:
    """Inside the `with` block, training keeps only each transformer block's input and recomputes the rest
    for the gradient. Dropout masks are redrawn from the same state, so the gradient does not change.

    Raises:
        ConfigError: the network does not support it, or has a learned prefix, which a recomputed block would
    not see.
    """
    if not wanted:
        yield
        return
    prefix = learnt_prefix(network)
    if prefix is not None or not getattr(network, "supports_gradient_checkpointing", False):
        what = type(network).__name__ if prefix is None else "a learned prefix"
        raise ConfigError(
            f"activation_checkpointing does not work with {what}",
            remedy="lower per_device_train_batch_size and raise gradient_accumulation_steps instead",
        )
    network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    try:
        yield
    finally:
        network.activation_checkpointing_disable()


class Recomputation:
    """Recomputes activations inside a `with` block: as the settings say, or from the moment `begin` is called
    because otherwise not even one row fits.

    Raises:
        ConfigError: see `recomputed_activations`.
    """

    def __init__(self, network: Network, wanted: bool) -> None:
        self._network, self.on = network, wanted
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Recomputation:
        self._stack.enter_context(recomputed_activations(self._network, self.on))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> bool:
        """Start to recompute; False if that is already on, or not supported."""
        if self.on:
            return False
        try:
            self._stack.enter_context(recomputed_activations(self._network, True))
        except ConfigError:
            return False
        self.on = True
        return True


def recomputes(network: Network) -> bool:
    """Whether a forward pass would recompute its activations for the gradient."""
    return network.training and any(getattr(m, "gradient_checkpointing", False) for m in network.modules())

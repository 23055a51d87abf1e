"""NEFTune: noise on the embeddings while training (Jain et al. 2023, arXiv:2310.05914)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from harness.core.torch_types import Layer, Network


@contextlib.contextmanager
def noisy_embeddings(network: Network, alpha: float) -> Iterator[None]:
    """Add uniform noise of size alpha / sqrt(length × width) while the network is in train mode.

    The length is that of the padded batch; rows of a batch have similar lengths.
    """
    if not alpha:
        yield
        return
    import torch

    def add_noise(_module: Layer, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        if not network.training:
            return output
        size = alpha / (output.shape[-2] * output.shape[-1]) ** 0.5
        return output + torch.empty_like(output).uniform_(-size, size)

    handle = network.get_input_embeddings().register_forward_hook(add_noise)
    try:
        yield
    finally:
        handle.remove()

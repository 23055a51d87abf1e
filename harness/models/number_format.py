"""The number format of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.torch_types import Network
from harness.models.architecture import base_of

if TYPE_CHECKING:
    import torch


def dtype_of(network: Network) -> torch.dtype:
    """The format of its embeddings. transformers' own `dtype` is that of the first parameter, which is
    float32 if a prompt or an adapter is learned in front of the embeddings."""
    model = base_of(network)
    inner = model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None
    dtype: torch.dtype = getattr(getattr(inner, "weight", None), "dtype", None) or model.dtype
    return dtype


def is_float32(network: Network) -> bool:
    """Whether it computes in float32."""
    import torch

    return dtype_of(network) == torch.float32

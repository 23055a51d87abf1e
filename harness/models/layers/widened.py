"""Networks of 16 bits that compute in float32 for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from harness.core.torch_types import Layer


@contextlib.contextmanager
def in_float32(network: Layer) -> Iterator[None]:
    """Inside the `with` block a network, or a part of one, is in float32; quantized layers compute in it, and stay
    quantized.

    Merging is a question of arithmetic, and in 16 bits rounding alone moves the logits by more than the
    faults that a comparison looks for. Float32 holds every 16-bit number, so the network comes back bit for
    bit.
    """
    with modules_in_float32(network.modules()):
        yield


@contextlib.contextmanager
def modules_in_float32(modules: Iterable[Layer]) -> Iterator[None]:
    """`in_float32` of the modules' own tensors, without those of modules inside them."""
    import torch

    chosen, short = list(modules), (torch.bfloat16, torch.float16)
    parameters = list({id(p): p for m in chosen for p in m.parameters(recurse=False)}.values())
    buffers = {id(b): b for m in chosen for b in m.buffers(recurse=False)}.values()
    tensors = [t for t in (*parameters, *buffers) if t.dtype in short]
    before = [tensor.data for tensor in tensors]
    computing = [m for m in chosen if getattr(m, "compute_dtype", None) in short]
    formats = [module.compute_dtype for module in computing]
    held = [state for p in parameters if (state := getattr(p, "quant_state", None)) is not None]
    rounded = [state.dtype for state in held]
    try:
        for tensor in tensors:  # memory may run out halfway
            tensor.data = tensor.data.float()
        for module in computing:
            module.compute_dtype = torch.float32
        for state in held:
            state.dtype = torch.float32
        yield
    finally:
        for tensor, data in zip(tensors, before, strict=True):
            tensor.data = data
        for module, number in zip(computing, formats, strict=True):
            module.compute_dtype = number
        for state, number in zip(held, rounded, strict=True):
            state.dtype = number

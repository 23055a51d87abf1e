"""Recognizes out-of-memory errors and frees memory before the next attempt."""

from __future__ import annotations

import gc

from harness.models.layers.malloc import trim

_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or on the CPU."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error).lower() for message in _MESSAGES)


def release() -> None:
    """Return unused memory to the device or the system."""
    import torch

    gc.collect()
    trim()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

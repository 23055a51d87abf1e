"""Torch's random state, seeded temporarily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights, dropout and noise from `seed`, and restore the process's state afterwards."""
    import torch

    with restored():
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Restore the random state of the CPU and of the one GPU that is computed on. Torch by itself saves those
    of all GPUs of the machine, and warns if there are several."""
    import torch

    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield

"""Torch's random state, seeded temporarily."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights, dropout and noise from `seed`, and restore the process's state afterwards."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield

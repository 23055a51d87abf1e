"""Patches modules' forward functions temporarily."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def replaced(modules: Iterable[Any], forward: Callable[..., object]) -> Iterator[None]:
    """Inside the `with` block each module's `forward` is `forward(module, …)`; their hooks stay."""

    def bound(module: object) -> Callable[..., object]:
        return lambda *args, **kwargs: forward(module, *args, **kwargs)

    chosen = list(modules)
    for module in chosen:
        module.forward = bound(module)
    try:
        yield
    finally:
        for module in chosen:
            del module.forward

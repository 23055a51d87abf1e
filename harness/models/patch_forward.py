"""Patches modules' forward functions temporarily."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any


@contextlib.contextmanager
def replaced(modules: Iterable[Any], forward: Callable[..., object]) -> Iterator[None]:
    """Inside the `with` block each module's `forward` is `forward(module, …)`; their hooks stay, and a forward function
    that something else has set, as accelerate does on several devices, is set again."""

    def bound(module: object) -> Callable[..., object]:
        return lambda *args, **kwargs: forward(module, *args, **kwargs)

    chosen = list(modules)
    before = [vars(module).get("forward") for module in chosen]
    for module in chosen:
        module.forward = bound(module)
    try:
        yield
    finally:
        for module, earlier in zip(chosen, before, strict=True):
            del module.forward
            if earlier is not None:
                module.forward = earlier

"""torch's compiler, loaded by the first call of a compiled function.

bitsandbytes compiles a function while it is imported, and peft imports bitsandbytes: that loads 42 MiB of compiler into every
process that trains an adapter, for a function that only some quantized layers call.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

Compiled = Callable[..., Any]


@contextlib.contextmanager
def compiled_when_called() -> Iterator[None]:
    """Inside the `with` block, `torch.compile` returns functions that are compiled when they are first called."""
    import torch

    at_once: Callable[..., Compiled] = torch.compile

    def deferred(function: Compiled | None = None, **options: Any) -> Any:
        if function is None:
            return functools.partial(deferred, **options)
        compiled = functools.cache(lambda: at_once(function, **options))
        return functools.wraps(function)(lambda *args, **named: compiled()(*args, **named))

    torch.compile = deferred  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.compile = at_once

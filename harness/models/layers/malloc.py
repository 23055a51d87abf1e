"""The C library's allocator, told to keep what training frees and asks for again at every step."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt` (malloc.h)."""
_USUAL = 32 << 20
"""The highest threshold that glibc sets by itself; it trims at twice that."""


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Within the block freed memory stays with the process, and goes back to the system at its end.

    Else a gradient or logits of more than 32 MB are handed back when they are freed, and at the
    next step the system clears as many pages again. Nothing happens where the C library is not glibc.
    """
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, 1 << 30)
    library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)
        library.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        trim()


def trim() -> None:
    """Hand what is freed back to the system; nothing happens where the C library is not glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

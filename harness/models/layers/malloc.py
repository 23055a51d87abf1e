"""Settings of the C library's allocator, so that it keeps the memory that training frees and reallocates at
every step."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's `mallopt` (malloc.h)."""
_USUAL = 32 << 20
"""The highest threshold that glibc sets on its own; it trims at twice that."""


@contextlib.contextmanager
def kept_memory() -> Iterator[Callable[[], None]]:
    """Inside the `with` block, freed memory stays with the process until the function that it yields is called, and at the end.

    Without it, what a step frees at the top of the heap is returned, and the system clears as many pages again for the next step. The largest
    blocks, as a gradient of the embeddings, are mapped one by one, as usual: in the gap that one leaves, small blocks that last
    would keep the next one out. A no-op unless the C library is glibc.
    """
    library = _glibc()
    if library is None:
        yield trim
        return
    library.mallopt(_MMAP_THRESHOLD, _USUAL)
    library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield trim
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)
        library.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        trim()


@contextlib.contextmanager
def returned_memory() -> Iterator[None]:
    """Inside the `with` block, a tensor of 256 KiB or more goes back to the system when it is freed, so that networks
    which are widened block by block leave no gaps behind. A no-op unless the C library is glibc."""
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_THRESHOLD, 1 << 18)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)


def trim() -> None:
    """Return freed memory to the system; a no-op unless the C library is glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

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

    Without it, a gradient or logits of more than 32 MB are returned when they are freed, and the system
    clears as many pages again for the next ones. Memory that is kept from one step to the next grows, because steps of
    different lengths leave gaps that the next one cannot fill: from 2.87 GiB at the second to 3.43 at the tenth in full
    finetuning of SmolLM2-135M. So a step returns it twice, when the gradients are there and when they are used up: system
    time was 3 % of the process's. A no-op unless the C library is glibc.
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

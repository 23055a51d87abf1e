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
_KEPT = 1.1
"""How many times a step's own need may be kept."""


class KeptMemory:
    """Bounds what a process keeps from one step to the next.

    Steps of different lengths leave gaps that the next one cannot fill, so memory that is kept grows from step
    to step: from 2.87 GiB at the second to 3.43 at the tenth in full finetuning of SmolLM2-135M. What a step needs is
    learned from one that begins with nothing kept.
    """

    def __init__(self, resident: Callable[[], int], give_back: Callable[[], None]) -> None:
        self._resident, self._give_back = resident, give_back
        self._steps = self._lasting = self._needed = 0
        self._began_with_nothing = False

    def after_step(self) -> None:
        """Return what is kept to the system if it is much more than a step needs."""
        self._steps += 1
        if self._steps == 1:  # The optimizer made its states in this one, which last.
            self._return_all()
            return
        kept = self._resident() - self._lasting
        if self._began_with_nothing:
            self._needed, self._began_with_nothing = max(self._needed, kept), False
        if kept > _KEPT * self._needed:
            self._return_all()

    def _return_all(self) -> None:
        self._give_back()
        self._lasting, self._began_with_nothing = self._resident(), True


@contextlib.contextmanager
def kept_memory() -> Iterator[KeptMemory]:
    """Inside the `with` block, freed memory stays with the process; it is returned to the system at the end, and
    as far as `KeptMemory.after_step` finds it too much.
    Without it, a gradient or logits of more than 32 MB are returned when they are freed, and the system
    clears as many pages again at the next step. A no-op unless the C library is glibc.
    """
    library = _glibc()
    if library is None:
        yield KeptMemory(lambda: 0, lambda: None)
        return
    import psutil

    library.mallopt(_MMAP_THRESHOLD, 1 << 30)
    library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)
    process = psutil.Process()
    try:
        yield KeptMemory(lambda: int(process.memory_info().rss), trim)
    finally:
        library.mallopt(_MMAP_THRESHOLD, _USUAL)
        library.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        trim()


def trim() -> None:
    """Return freed memory to the system; a no-op unless the C library is glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

"""Peak memory of a piece of work: the process's resident set and the device's allocator."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from types import ModuleType, TracebackType
from typing import Any, Self


class PeakMemory:
    """Watches this process while a block runs; `process` and `device` are in bytes.

    The resident set is sampled every 50 ms: the kernel's own high-water mark belongs to the
    whole life of the process and would charge a small run with an earlier large one's peak.
    """

    def __init__(self, interval: float = 0.05) -> None:
        import psutil

        self._read = psutil.Process().memory_info
        self._interval, self._done = interval, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.process = 0
        self.device: int | None = None

    def __enter__(self) -> Self:
        release()
        if cuda := _cuda():
            cuda.init()  # which the current device's figures do by themselves, and a numbered one's do not
            for index in range(cuda.device_count()):
                cuda.reset_peak_memory_stats(index)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        if cuda := _cuda():
            self.device = sum(int(cuda.max_memory_allocated(index)) for index in range(cuda.device_count()))

    def _watch(self) -> None:
        while True:
            self.process = max(self.process, self._read().rss)
            if self._done.wait(self._interval):
                return


def release() -> None:
    """Give freed memory back to the system, so that the next peak is the next cell's own."""
    gc.collect()
    if cuda := _cuda():
        cuda.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _cuda() -> ModuleType | None:
    torch: Any = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None

"""An end to work on one foreign thing: an answer, a schema, a file. It holds in any thread.

A timer of the system (SIGALRM) rings in the main thread only, and a process of its own costs more than most answers. So
one thread watches, and has Python raise `TooLongError` in the thread that is over its time: within Python code, that is;
what computes in C (regular expressions, JSON) has bounds of its own where it is called. Time is the thread's own on the
processor, so that a busy machine, or waiting for a child, is nobody's fault.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

TICK = 0.1
"""Seconds between two looks of the watcher."""
IDLE = 10.0
"""Seconds without work after which it ends."""


class TooLongError(Exception):
    """The work was not done in time. Not to be raised or caught but by `within`'s caller."""


@dataclass(eq=False)
class _Work:
    thread: int
    until: float
    rung: bool = False


_lock = threading.Lock()
_works: set[_Work] = set()
_watcher: threading.Thread | None = None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Have the body end within `seconds` of processor time.

    Raises:
        TooLongError: it did not.
    """
    thread = threading.get_ident()
    work = _Work(thread, _clock(thread) + seconds)
    with _lock:
        _works.add(work)
        _watch()
    try:
        yield
    finally:
        with _lock:
            _works.discard(work)
            if work.rung:
                # Rung, and perhaps not raised yet: it must not be raised in whatever comes next.
                _ring(work.thread, None)
    if work.rung:
        raise TooLongError


def _watch() -> None:
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_look, name="deadlines", daemon=True)
        _watcher.start()


def _look() -> None:
    global _watcher
    idle_since = time.monotonic()
    while True:
        time.sleep(TICK)
        now = time.monotonic()
        with _lock:
            for work in [work for work in _works if _clock(work.thread) > work.until]:
                work.rung = True
                _works.discard(work)
                _ring(work.thread, TooLongError)
            if _works:
                idle_since = now
            elif now - idle_since > IDLE:
                _watcher = None
                return


def _clock(thread: int) -> float:
    """Seconds that a thread has computed; where the system does not say, seconds that have passed."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return time.monotonic()
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def _ring(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )

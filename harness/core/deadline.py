"""A limit in time and memory for work on one untrusted input: an answer, a schema, a file. It works in any
thread.

A system timer (SIGALRM) fires in the main thread only, and a separate process costs more than most answers.
So one thread watches, and makes Python raise `TooLongError` in a thread that exceeds its time. This works
within Python code only; code that computes in C (regular expressions, JSON) is bounded separately where it is
called. Time is the thread's own processor time, so that a busy machine, or waiting for a child, does not
count. Memory is the growth of the process, measured at each look: Python code cannot take much between two
looks, and what C code takes at once is bounded where it is called.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from pathlib import Path
from types import TracebackType

TICK = 0.1
"""Seconds between two looks of the watcher."""
_STATM = Path("/proc/self/statm")
BUSY = 0.05
"""If a thread computed this many seconds between two looks, growth is its own, not that of another thread."""
SURE = 0.01
"""Seconds before its limit during which a thread is still certain not to be interrupted."""


class TooLongError(Exception):
    """The work was not done in time. Only the caller of `within` may raise or catch it."""


class TooLargeError(TooLongError):
    """The work took too much memory. A subclass of `TooLongError`, so that one handler catches both."""


class _Slot:
    """The state of one thread: until when it may run, by its own clock, by how many bytes the process may
    grow, and whether it was interrupted. `base` is the size of the process and the thread's clock at the
    watcher's first look."""

    __slots__ = ("base", "most", "rung", "thread", "until")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.until: float | None = None
        self.most: int | None = None
        self.base: tuple[int, float] | None = None
        self.rung = False


class _Own(threading.local):
    slot: _Slot | None = None


_own = _Own()
_lock = threading.Lock()
_slots: dict[int, _Slot] = {}
_watcher: threading.Thread | None = None
_OF_THREADS = hasattr(time, "pthread_getcpuclockid")
"""Whether the system reports how long each thread has computed; if it does not, elapsed time counts."""
_now = time.thread_time if _OF_THREADS else time.monotonic


class within:  # noqa: N801  reads as a word: `with deadline.within(5):`
    """Have the body end within `seconds` of processor time, before the process has grown by `memory` bytes; it may hold
    others.

    Raises:
        TooLongError: it did not.
        TooLargeError: it took more memory.
    """

    __slots__ = ("_before", "_memory", "_memory_before", "_seconds", "_slot", "_until")

    def __init__(self, seconds: float, memory: int | None = None) -> None:
        self._seconds, self._memory = seconds, memory

    def __enter__(self) -> None:
        slot = self._slot = _own.slot or _begin()
        before = self._before = slot.until
        until = _now() + self._seconds
        self._until = slot.until = until if before is None or until < before else before
        if self._memory is not None:
            self._memory_before = slot.most, slot.base
            slot.most, slot.base = self._memory, None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slot = self._slot
        if self._memory is None and _now() < self._until - SURE:
            slot.until = self._before
            return
        with _lock:
            slot.until, rung, slot.rung = self._before, slot.rung, False
            if self._memory is not None:
                slot.most, slot.base = self._memory_before
            if rung:
                # Interrupted, but perhaps not raised yet: it must not be raised in whatever code comes next.
                _ring(slot.thread, None)
        if rung and kind is None:
            raise TooLongError if _now() > self._until else TooLargeError


def _begin() -> _Slot:
    """This thread's slot, with a watcher running."""
    global _watcher
    slot = _own.slot = _Slot()
    with _lock:
        # The system reuses the number of an ended thread.
        _slots[slot.thread] = slot
        if _watcher is None:
            _watcher = threading.Thread(target=_watch, name="deadlines", daemon=True)
            _watcher.start()
    return slot


def _watch() -> None:
    while True:
        time.sleep(TICK)
        with _lock:
            for slot in _slots.values():
                until = slot.until
                if until is None or slot.rung:
                    continue
                late = _clock(slot.thread) > until
                if late or _grown(slot):
                    slot.rung = True
                    _ring(slot.thread, TooLongError if late else TooLargeError)


def _grown(slot: _Slot) -> bool:
    """Whether the process grew by more than the slot allows while its thread computed."""
    if slot.most is None:
        return False
    size, clock = resident(), _clock(slot.thread)
    if slot.base is None:
        slot.base = size, clock
        return False
    return size - slot.base[0] > slot.most and clock - slot.base[1] > BUSY


def resident() -> int:
    """Bytes of memory that this process holds; 0 if the system does not say."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _clock(thread: int) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread)) if _OF_THREADS else time.monotonic()


def _ring(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _forked() -> None:
    """A fork has only this thread: there is no watcher, and a lock that another thread held stays held
    forever."""
    global _lock, _watcher
    _lock, _watcher = threading.Lock(), None
    _slots.clear()
    _own.slot = None


os.register_at_fork(after_in_child=_forked)

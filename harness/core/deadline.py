"""An end to work on one foreign thing: an answer, a schema, a file. It holds in any thread.

A timer of the system (SIGALRM) rings in the main thread only, and a process of its own costs more than most answers. So
one thread watches, and has Python raise `TooLongError` in the thread that is over its time: within Python code, that is;
what computes in C (regular expressions, JSON) has bounds of its own where it is called. Time is the thread's own on the
processor, so that a busy machine, or waiting for a child, is nobody's fault.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from types import TracebackType

TICK = 0.1
"""Seconds between two looks of the watcher."""
SURE = 0.01
"""Seconds before its end in which a thread is still sure not to be rung."""


class TooLongError(Exception):
    """The work was not done in time. Not to be raised or caught but by `within`'s caller."""


class _Slot:
    """What one thread is at: until when, by its own clock, and whether it was rung."""

    __slots__ = ("rung", "thread", "until")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.until: float | None = None
        self.rung = False


class _Own(threading.local):
    slot: _Slot | None = None


_own = _Own()
_lock = threading.Lock()
_slots: dict[int, _Slot] = {}
_watcher: threading.Thread | None = None
_OF_THREADS = hasattr(time, "pthread_getcpuclockid")
"""Whether the system says how long each thread has computed; where it does not, time that has passed counts."""
_now = time.thread_time if _OF_THREADS else time.monotonic


class within:  # noqa: N801  read as a word: `with deadline.within(5):`
    """Have the body end within `seconds` of processor time; it may hold others.

    Raises:
        TooLongError: it did not.
    """

    __slots__ = ("_before", "_seconds", "_slot", "_until")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        slot = self._slot = _own.slot or _begin()
        before = self._before = slot.until
        until = _now() + self._seconds
        self._until = slot.until = until if before is None or until < before else before

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slot = self._slot
        if _now() < self._until - SURE:
            slot.until = self._before
            return
        with _lock:
            slot.until, rung, slot.rung = self._before, slot.rung, False
            if rung:
                # Rung, and perhaps not raised yet: it must not be raised in whatever comes next.
                _ring(slot.thread, None)
        if rung and kind is None:
            raise TooLongError


def _begin() -> _Slot:
    """This thread's slot, and somebody who watches it."""
    global _watcher
    slot = _own.slot = _Slot()
    with _lock:
        # The system gives the number of a thread that ended to a new one.
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
                if until is not None and not slot.rung and _clock(slot.thread) > until:
                    slot.rung = True
                    _ring(slot.thread, TooLongError)


def _clock(thread: int) -> float:
    return time.clock_gettime(time.pthread_getcpuclockid(thread)) if _OF_THREADS else time.monotonic()


def _ring(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), None if error is None else ctypes.py_object(error)
    )


def _forked() -> None:
    """A fork has this thread alone: nobody watches, and a lock that another held is held for ever."""
    global _lock, _watcher
    _lock, _watcher = threading.Lock(), None
    _slots.clear()
    _own.slot = None


os.register_at_fork(after_in_child=_forked)

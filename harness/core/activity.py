"""Shows that an operation that takes more than a second is in progress: a spinner, or lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from harness.core import terminal

QUIET_SECONDS = 1.0
LOG_SECONDS = 10.0


LIBRARIES = "loading libraries"
IMPORTS = "<frozen importlib._bootstrap>"
"""The file of the code object that imports a module."""


class Activity:
    """What is being done now, in words; `now` changes it."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.began = time.monotonic()
        self._thread = threading.get_ident()

    def now(self, what: str) -> None:
        """Say what is being done from now on."""
        self.what = what

    @property
    def text(self) -> str:
        """On a busy machine the first use of a library takes longer than the work that `what` names: then it says that."""
        what = LIBRARIES if _is_importing(self._thread) else self.what
        return f"{what} … {time.monotonic() - self.began:.0f} s"


def _is_importing(thread: int) -> bool:
    """Whether a thread is importing a module at this moment."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:
            return True
        frame = frame.f_back
    return False


_silent = ContextVar("silent", default=False)


@contextmanager
def silenced(on: bool) -> Iterator[None]:
    """With `--quiet` (`on`), nothing is shown while the body runs."""
    before = _silent.set(on or _silent.get())
    try:
        yield
    finally:
        _silent.reset(before)


@contextmanager
def working(what: str) -> Iterator[Activity]:
    """Show `what` on stderr while the body runs, once that takes more than a second.

    On a terminal it is one line that is redrawn; elsewhere, a line after one second and then every ten
    seconds.
    """
    activity, done = Activity(what), threading.Event()
    if _silent.get():
        yield activity
        return
    thread = threading.Thread(target=_show, args=(activity, done), daemon=True)
    thread.start()
    try:
        yield activity
    finally:
        done.set()
        thread.join()


def _show(activity: Activity, done: threading.Event) -> None:
    if done.wait(QUIET_SECONDS):
        return
    if sys.stderr.isatty():
        _spin(activity, done)
        return
    terminal.say(activity.text, error=True)
    while not done.wait(LOG_SECONDS):
        terminal.say(activity.text, error=True)


def _spin(activity: Activity, done: threading.Event) -> None:
    from rich.text import Text

    # A Rich `Text`: to a spinner plain strings are markup, whatever the console's setting.
    with terminal.console(stderr=True).status(Text(activity.text)) as status:
        while not done.wait(QUIET_SECONDS):
            status.update(Text(activity.text))

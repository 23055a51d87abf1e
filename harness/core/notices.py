"""What libraries log during a run goes into a file of the run, not onto the user's screen."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from harness.core.secrets import hidden
from harness.core.text import visible

LEVEL = "HARNESS_LOG"
"""Environment variable with the level that is shown; if it is set, notices of libraries are shown too."""


class Screen(logging.StreamHandler[TextIO]):
    """Shows records on stderr as it is at that moment: a live table puts its own in place, and prints above itself what
    is written there."""

    def emit(self, record: logging.LogRecord) -> None:
        self.setStream(sys.stderr)
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        """The message without keys and without power over the terminal: libraries and files of others may have worded
        it."""
        return visible(hidden(super().format(record)))


def to_screen() -> None:
    """Show what is logged, what libraries warn of and what ends a thread on stderr, by `Screen`: in this process from
    now on, unless it has handlers of its own."""
    level = os.environ.get(LEVEL, "WARNING")
    logging.basicConfig(level=level, format="%(message)s", handlers=[Screen()])
    logging.captureWarnings(True)
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_thread


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = "a thread" if ended.thread is None else ended.thread.name
        error = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        logging.getLogger(__name__).error("%s ended", name, exc_info=error)


@contextmanager
def captured(file: Path) -> Iterator[None]:
    """Append what libraries log below ERROR to `file` while the body runs; nothing is written if they are
    silent.

    Messages of the harness itself, and errors, are shown as usual.
    """
    if os.environ.get(LEVEL):
        yield
        return
    root, notices = logging.getLogger(), _Notices()
    shown = [handler for handler in root.handlers if _is_on_screen(handler)]
    # A process without handlers shows warnings through `lastResort`, which an added handler would silence.
    added: list[logging.Handler] = [notices]
    if not root.handlers:
        added.append(Screen())
        added[-1].setLevel(logging.WARNING)
        shown.append(added[-1])
    for handler in added:
        root.addHandler(handler)
    for handler in shown:
        handler.addFilter(_is_shown)
    try:
        yield
    finally:
        for handler in shown:
            handler.removeFilter(_is_shown)
        for handler in added:
            root.removeHandler(handler)
        notices.write(file)


def _is_on_screen(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return isinstance(handler, Screen) or (stream is not None and stream in (sys.stderr, sys.__stderr__))


def _is_shown(record: logging.LogRecord) -> bool:
    return record.name.split(".")[0] == "harness" or record.levelno >= logging.ERROR


class _Notices(logging.Handler):
    """Keeps lines until the run's folder exists."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not _is_shown(record):
            self._lines.append(visible(hidden(f"{self.format(record)}\n")))

    def write(self, file: Path) -> None:
        if self._lines and file.parent.is_dir():
            with file.open("a", encoding="utf-8") as stream:
                stream.writelines(self._lines)

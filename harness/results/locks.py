"""Two commands on one results folder never run the same cell: a file lock per run folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.core.errors import ConfigError
from harness.core.terminal import say


class Lock:
    """Held while a cell runs. The operating system releases it however the process ends.

    The empty lock file stays: removing it would let two waiters lock two different files.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder.with_name(f".{folder.name}.lock")
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w")
        except OSError as error:
            raise ConfigError(f"cannot be written: {error.strerror}", file=self._path) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_waiting(self._path)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def print_waiting(path: Path) -> None:
    """Say why nothing happens: another command is running this very cell."""

    say(f"waiting for another command that runs {path.name[1:-5]}", error=True)

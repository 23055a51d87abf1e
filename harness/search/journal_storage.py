"""Optuna's journal file, with fewer synchronous writes.

Optuna waits for the disk (`fsync`) at every knob and attribute of a trial, although a killed process's writes
survive without that. Here only the beginning and end of a trial are synced: a power failure may lose
intermediate values of running trials, but no result.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileOpenLock


class JournalFile(BaseJournalBackend):
    """Reads and writes the format of `JournalFileBackend`, under the same lock: both may share a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = JournalFileOpenLock(str(file))
        self._inner = JournalFileBackend(str(file), lock_obj=self._lock)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._inner.read_logs(log_number_from)

    def append_logs(self, logs: Sequence[Mapping[str, object]]) -> None:
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            with self._file.open("r+b") as stream:
                _seek_end(stream)
                stream.write(lines.encode())
                stream.flush()
                if not all(map(_can_wait, logs)):
                    os.fsync(stream.fileno())
        finally:
            self._lock.release()


def _seek_end(stream: BinaryIO) -> None:
    """Go to the end of the last whole line: a full disk may have cut off a writer's last one."""
    end = stream.seek(0, os.SEEK_END)
    if end:
        stream.seek(end - 1)
        if stream.read(1) != b"\n":
            stream.seek(0)
            end = stream.read().rfind(b"\n") + 1
            stream.truncate(end)
    stream.seek(end)


def _can_wait(log: Mapping[str, object]) -> bool:
    """Whether an operation updates a running trial without starting or finishing it."""
    return "trial_id" in log and "state" not in log

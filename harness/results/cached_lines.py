"""A file of `results/answers/`: a cache in JSON lines that a command can do without if it is damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.core.files import append_lines
from harness.results import side_files

REMEDY = "delete it; what it held is asked again"


class CachedLines:
    """Lines of a file. Each call of `append` writes with one system call, so that two processes can append to one file; a
    line that a kill cut off is the reader's to skip.

    A directory or a link in its place is named once, and nothing is read or written there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._usable = True

    def lines(self) -> list[bytes]:
        """All lines; none if there is no such file, or none that can be read."""
        if problem := side_files.problem_of(self._path):
            self._usable = False
            side_files.name(self._path, problem, REMEDY)
            return []
        return self._path.read_bytes().split(b"\n") if self._path.exists() else []

    def append(self, values: Iterable[object]) -> None:
        """Append JSON lines.

        Raises:
            OSError: a disk that is full, or a folder that cannot be written.
        """
        if self._usable:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_lines(self._path, values)

"""What a file in `logs/` provides."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.kinds import Kind
from harness.imports.sample import ForeignLog

HEAD = 1 << 16
"""Bytes of a file that `recognizes` is shown at first."""


def suffix_of(file: Path) -> str:
    """The ending of a file's name in small letters: a spreadsheet program may write `SCORES.CSV`."""
    return file.suffix.lower()


@dataclass(frozen=True, kw_only=True)
class LogFormat(Kind):
    """One tool's log files."""

    @abstractmethod
    def recognizes(self, file: Path, head: bytes) -> bool:
        """Whether the file is one of this tool's, by its name and its first bytes. Raises nothing."""

    @abstractmethod
    def read(self, file: Path) -> Sequence[ForeignLog]:
        """The logs in a file. Samples may be read later, on request.

        Raises:
            ConfigError: the file is damaged, or is the tool's but holds no scores.
        """

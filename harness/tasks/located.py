"""A row and where it stands, so that an error can name the file, the line and the row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.core.errors import ConfigError

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """One row of a source: `number` counts rows from 1; `line` is its line in a text file."""

    row: Row
    file: str
    number: int
    line: int | None = None

    def error(self, message: str, remedy: str = "") -> ConfigError:
        """A ConfigError at this row."""
        where = "" if self.line is not None else f"row {self.number}: "
        return ConfigError(f"{where}{message}", file=self.file, line=self.line, remedy=remedy)

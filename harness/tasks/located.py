"""A row and its position, so that an error can name the file, the line and the row."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def position(self) -> int:
        """The line in a text file, else the number of the row."""
        return self.number if self.line is None else self.line

    @property
    def position_in_file(self) -> tuple[str, int]:
        """What distinguishes a row from every other."""
        return self.file, self.number

    def error(self, message: str, remedy: str = "") -> ConfigError:
        """A ConfigError at this row."""
        where = "" if self.line is not None else f"row {self.number}: "
        return ConfigError(f"{where}{message}", file=self.file, line=self.line, remedy=remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A row that cannot be used, and why."""

    source: Located
    fault: ConfigError

    @property
    def reason(self) -> str:
        """The fault without its place and without the value that varies from row to row."""
        return self.fault.message.removeprefix(f"row {self.source.number}: ").split(" (got ")[0]


def positions(rows: Sequence[Located], shown: int = 5) -> str:
    """The lines of rows in a text file, or their numbers."""
    unit = "row" if rows[0].line is None else "line"
    listed = ", ".join(str(row.position) for row in rows[:shown])
    return f"{unit}{'s' if len(rows) > 1 else ''} {listed}{', …' if len(rows) > shown else ''}"

"""Workbooks: the first row of a sheet names the columns, and each further row is a row of data."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path

from harness.core.errors import ConfigError, nearest
from harness.core.formatting import counted
from harness.core.json_types import JsonValue
from harness.tasks.readers import Located, Options

Sheets = Mapping[str, Sequence[Sequence[object]]]
MAX_BYTES = 2**30
"""Unpacked bytes of a workbook; a small file can unpack to more than any machine holds."""


def read(path: Path, options: Options) -> Iterator[Located]:
    """Rows of the only sheet that has any, or of the one named; line numbers are rows of the sheet.

    Formulas are read as the values that were saved with them.

    Raises:
        ConfigError: not a workbook, no such sheet, several sheets and none named, or a column without a name.
    """
    names: list[str] = []
    for line, cells in enumerate(_chosen(_sheets(path), path, options.sheet), start=1):
        values = [_plain(cell) for cell in cells]
        if all(value == "" for value in values):
            continue
        if not names:
            names = _header(values, path, line)
            continue
        if any(value != "" for value in values[len(names) :]):
            remedy = "name every column in the first row"
            if len(names) == 1:
                remedy = f"the names of the columns must come first: is '{names[0]}' a title? delete that row"
            message = f"more cells than the {counted(len(names), 'column')} that the first row names"
            raise ConfigError(message, file=path, line=line, remedy=remedy)
        yield dict(zip(names, [*values, *[""] * len(names)], strict=False)), line


def _sheets(path: Path) -> Sheets:
    """Every sheet's rows of cells, by title."""
    import openpyxl

    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise ConfigError(f"unpacks to {size:,} bytes", file=path, remedy="save it as .csv")
        with warnings.catch_warnings():
            # It warns of every feature of Excel that it does not draw; none of them holds a value.
            warnings.simplefilter("ignore", UserWarning)
            workbook = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            try:
                return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in workbook.worksheets}
            finally:
                workbook.close()
    except ConfigError:
        raise
    except Exception as error:
        # A broken workbook may raise almost any error.
        raise ConfigError(
            f"not an .xlsx workbook: {error}", file=path, remedy="save it again, or as .csv"
        ) from None


def _chosen(sheets: Sheets, path: Path, name: str | None) -> Sequence[Sequence[object]]:
    """The sheet of that name, or the only one that holds anything."""
    if name is not None:
        if name not in sheets:
            raise ConfigError(f"no sheet '{name}'", file=path, remedy=nearest(name, sheets))
        return sheets[name]
    filled = [
        title for title, rows in sheets.items() if any(cell is not None for row in rows for cell in row)
    ]
    if len(filled) > 1:
        raise ConfigError(
            f"{len(filled)} sheets hold rows: {', '.join(filled)}",
            file=path,
            remedy=f"name one: --sheet '{filled[0]}' (in a task file: data: {{sheet: '{filled[0]}'}})",
        )
    return sheets[filled[0]] if filled else []


def _header(values: Sequence[object], path: Path, line: int) -> list[str]:
    names = [str(value).strip() for value in values]
    while names and not names[-1]:
        names.pop()
    remedy = "the first row must name the columns"
    if "" in names:
        raise ConfigError(f"column {names.index('') + 1} has no name", file=path, line=line, remedy=remedy)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ConfigError(f"column '{twice[0]}' appears twice", file=path, line=line, remedy=remedy)
    return names


def _plain(cell: object) -> JsonValue:
    """A cell as a JSON value: dates as text, whole numbers as whole numbers, an empty cell as an empty
    text."""
    if cell is None:
        return ""
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell if isinstance(cell, str | int | float | bool) else str(cell)

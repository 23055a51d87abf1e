"""CSV and TSV files: every line becomes part of a row, and none is dropped silently."""

from __future__ import annotations

import csv
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.formatting import counted
from harness.tasks import encodings

log = logging.getLogger(__name__)

NAMELESS = "Unnamed: 0"
"""The first column if it has no name: data frames write their row numbers there, and read them back so."""
MAX_COLUMNS = 10_000
SHOWN = 3
SHORT = 32
"""Characters below which equal cells are kept once: labels and the like repeat in every row."""
MOST_KNOWN = 10_000

Cells = list[str]


def read(path: Path, encoding: str) -> Iterator[tuple[dict[str, str], int]]:
    """Each row of a table and the line on which it starts.

    Raises:
        ConfigError: wrong encoding, a bad header, a row with too few or too many cells, or a quote that is
            never closed, with its line.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        codec = encodings.actual(path, encoding)
        delimiter = _delimiter(path, codec)
        plain = delimiter == "\t" and _is_plain(path, codec)
        with path.open(encoding=codec, errors=encodings.ERRORS, newline="") as stream:
            yield from _rows(_unquoted(stream) if plain else _quoted(stream, delimiter, path), path)
    except (UnicodeError, LookupError) as error:
        encodings.read_text(path, encoding)
        raise ConfigError(f"not {encoding}: {error}", file=path) from None


def _quoted(stream: Iterable[str], delimiter: str, path: Path) -> Iterator[tuple[Cells, int, int]]:
    """Cells of each row, its first line and its last: quoted cells may hold line breaks."""
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if start == 1 and cells:
                cells[0] = cells[0].removeprefix("\ufeff")
            yield cells, start, reader.line_num
            start = reader.line_num + 1
    except csv.Error as error:
        reason = str(error)
        if "unexpected end" in reason:
            reason = f"a quoted cell that starts on line {start} is never closed"
        elif "expected after" in reason:
            reason = f"text after a closing quote, in the row that starts on line {start}"
        remedy = 'write a quote inside a quoted cell twice: "5"" disk"'
        raise ConfigError(f"broken CSV: {reason}", file=path, line=start, remedy=remedy) from None


def _unquoted(stream: Iterable[str]) -> Iterator[tuple[Cells, int, int]]:
    """Cells of a table in which each line is a row: a quote is a character like any other, unless it encloses
    a whole cell.
    """
    for line, text in enumerate(stream, start=1):
        bare = text.rstrip("\r\n").removeprefix("\ufeff" if line == 1 else "")
        yield ([_bare(cell) for cell in bare.split("\t")] if bare else []), line, line


def _bare(cell: str) -> str:
    inner = cell[1:-1]
    whole = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if whole else cell


def _is_plain(path: Path, codec: str) -> bool:
    """Whether every line of a TSV has as many tabs as the first, so that no cell spans lines."""
    with path.open(encoding=codec, errors=encodings.ERRORS, newline="") as stream:
        tabs = stream.readline().count("\t")
        return all(line.count("\t") == tabs for line in stream if line.strip("\r\n"))


def _rows(parts: Iterator[tuple[Cells, int, int]], path: Path) -> Iterator[tuple[dict[str, str], int]]:
    names: Cells = []
    header = nameless = 0
    suspicious: list[str] = []
    known: dict[str, str] = {}
    for cells, line, last in parts:
        if not cells or (not names and _names_delimiter(cells)):
            continue
        if not names:
            header = line
            nameless = _nameless_at_end(cells)
            names = _header(cells[: len(cells) - nameless], path, line)
            continue
        if len(cells) == len(names) + nameless:
            if any(map(str.strip, cells[len(names) :])):
                raise _bad_header("a column has no name", path, header)
            del cells[len(names) :]
        if len(cells) != len(names):
            remedy = (
                "quote cells that contain the delimiter"
                if len(cells) > len(names)
                else "add the cells that are missing"
            )
            if len(names) == 1:
                remedy = f"the names of the columns must come first: is line {header} a title or a comment? delete it"
            message = f"{counted(len(cells), 'cell')} under {counted(len(names), 'column')}"
            raise ConfigError(message, file=path, line=line, remedy=remedy)
        if last > line and _swallows(cells, len(names)):
            suspicious.append(f"{line}–{last}")
        yield (
            dict(
                zip(
                    names,
                    [known.setdefault(cell, cell) if len(cell) < SHORT else cell for cell in cells],
                    strict=True,
                )
            ),
            line,
        )
        if len(known) > MOST_KNOWN:
            known.clear()
    if suspicious:
        shown = ", ".join(suspicious[:SHOWN]) + (", …" if len(suspicious) > SHOWN else "")
        message = "%s: lines %s are read as one row each, and look like several: is a quote not closed?"
        log.warning(message, path, shown)


def _names_delimiter(cells: Cells) -> bool:
    """Whether a first line only tells Excel the delimiter: `sep=;`."""
    return cells[0] == "sep=" and not any(cells[1:])


def _swallows(cells: Cells, width: int) -> bool:
    """Whether a cell of several lines holds lines that look like rows themselves."""
    inner = [line for cell in cells if "\n" in cell for line in cell.split("\n")[1:-1]]
    alike = [line for line in inner if any(line.count(mark) == width - 1 for mark in (",", ";", "\t"))]
    return width > 1 and len(inner) > 0 and len(alike) == len(inner)


def _delimiter(path: Path, codec: str) -> str:
    """The tab for .tsv; else the most frequent of comma, semicolon, tab and bar in the header, outside
    quotes."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open(encoding=codec, errors=encodings.ERRORS, newline="") as stream:
        header = "".join(stream.readline(1_000_000).split('"')[::2])
    return max(",;\t|", key=header.count)


def _header(names: Cells, path: Path, line: int) -> Cells:
    names = [name.strip() for name in names]
    if len(names) > MAX_COLUMNS:
        message = f"{len(names):,} columns, at most {MAX_COLUMNS:,} are read"
        raise ConfigError(message, file=path, line=line, remedy="are rows and columns exchanged?")
    if len(names) > 1 and names[0] == "" and "" not in names[1:]:
        names[0] = NAMELESS if NAMELESS not in names else f"{NAMELESS}.1"
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice or "" in names:
        fault = f"column '{twice[0]}' appears twice" if twice and twice[0] else "a column has no name"
        raise _bad_header(fault, path, line)
    return names


def _nameless_at_end(cells: Cells) -> int:
    """Columns without a name after the last one with a name: spreadsheets write them, mostly empty."""
    named = [index for index, cell in enumerate(cells) if cell.strip()]
    return len(cells) - 1 - named[-1] if named else 0


def _bad_header(fault: str, path: Path, line: int) -> ConfigError:
    return ConfigError(fault, file=path, line=line, remedy="the first line must name the columns")


def difference(path: Path, lines: Sequence[int], encoding: str) -> str:
    """Why a text file has more lines than rows: which lines are not a row of their own; empty if all are.

    Args:
        lines: the line on which each row starts, in order.
    """
    with path.open(encoding=encodings.actual(path, encoding), errors=encodings.ERRORS, newline="") as stream:
        first_line = stream.readline()
        total = (1 if first_line else 0) + sum(1 for _ in stream)
    header = 0 if path.suffix.lower() in (".jsonl", ".ndjson") else 1
    header += header and first_line.startswith("sep=")
    if total - header <= len(lines) or not lines:
        return ""
    gaps = [(a, b - 1) for a, b in zip(lines, (*lines[1:], total + 1), strict=True) if b - a > 1]
    first = [(header + 1, lines[0] - 1)] if lines[0] > header + 1 else []
    where = [f"{a}–{b}" for a, b in (*first, *gaps)]
    shown = ", ".join(where[:SHOWN]) + (f" and {len(where) - SHOWN} more" if len(where) > SHOWN else "")
    return f"{total:,} lines; rows of several lines, and blank lines: {shown}"

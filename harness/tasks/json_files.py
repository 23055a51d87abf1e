"""Rows of JSONL and JSON files, each with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.core.text import whole
from harness.tasks import encodings, json_rows, json_streams, layouts
from harness.tasks.encodings import read_text
from harness.tasks.located import Row

FLAT = 100
"""Brackets in a text of JSON below which it cannot be nested too deeply."""


def jsonl_rows(path: Path, encoding: str) -> Iterator[tuple[Row, int]]:
    """Each row of a JSONL file with its line, also where the objects span several lines.

    Raises:
        ConfigError: broken JSON or a row that is not an object (with the line), or the wrong encoding.
    """
    first = next((text for _, text in _text_lines(path, encoding)), "")
    if not _is_object(first.lstrip()):
        objects = json_streams.objects(read_text(path, encoding))
        if objects is not None:
            yield from objects
            return
    for number, text in _text_lines(path, encoding):
        yield _object(parsed(text, path, number), path, number), number


def document_rows(path: Path, encoding: str) -> Iterator[tuple[Row, int | None]]:
    """Each row of a JSON file, with its line if the file is a list of rows.

    Raises:
        ConfigError: broken JSON, a document without rows, or the wrong encoding.
    """
    text = read_text(path, encoding)
    try:
        value = parsed(text, path)
    except ConfigError:
        objects = json_streams.objects(text)
        if objects is None:
            raise
        yield from objects
        return
    of_layout = layouts.document_rows(value)
    rows = json_rows.rows(value, path) if of_layout is None else of_layout
    in_list = isinstance(value, list) and len(value) == len(rows)
    lines = _lines(text) if in_list else [None] * len(rows)
    for row, line in zip(rows, lines, strict=True):
        yield _object(row, path, line), line


def parsed(text: str, path: Path, line: int | None = None) -> Any:
    """The JSON value of `text`, which is the whole file or its line `line`.

    Raises:
        ConfigError: not JSON (with the line), nested too deeply, or half a character.
    """
    try:
        value = json.loads(text)
        # Without escapes there are no halves of characters; deep nesting is found by the same walk.
        plain = "\\u" not in text and text.count("[") + text.count("{") < FLAT
        return value if plain else whole(value)
    except json.JSONDecodeError as error:
        remedy = "one object a line? name it .jsonl" if line is None and error.msg == "Extra data" else ""
        message = f"broken JSON: {error.msg} at column {error.colno}"
        raise ConfigError(message, file=path, line=line or error.lineno, remedy=remedy) from None
    except RecursionError:
        raise ConfigError("broken JSON: nested too deeply", file=path, line=line) from None
    except ValueError as error:
        # Also numbers of thousands of digits, which Python refuses.
        raise ConfigError(f"broken JSON: {error}", file=path, line=line) from None


def _text_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers."""
    try:
        codec = encodings.actual(path, encoding)
        # Lines end with \n alone: U+2028 and friends are ordinary characters inside a JSON string.
        with path.open(encoding=codec, errors=encodings.ERRORS, newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                text = line.removesuffix("\n").removeprefix("\ufeff" if number == 1 else "")
                if text.strip():
                    yield number, text
    except (UnicodeError, LookupError, FileNotFoundError):
        read_text(path, encoding)  # raises an error that names the byte and the remedy
        raise


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _lines(text: str) -> list[int]:
    """The line on which each element of a JSON list begins."""
    decoder, line, counted = json.JSONDecoder(), 1, 0
    lines: list[int] = []
    position = text.index("[") + 1
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text) or text[position] == "]":
            return lines
        line, counted = line + text.count("\n", counted, position), position
        lines.append(line)
        position = decoder.raw_decode(text, position)[1]


def _object(row: object, path: Path, line: int | None) -> Row:
    if not isinstance(row, dict):
        message = f"a row must be an object, this is {type(row).__name__}"
        raise ConfigError(message, file=path, line=line, remedy="delete it, or write it as {column: value}")
    return row

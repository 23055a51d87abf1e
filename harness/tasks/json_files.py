"""Rows of JSONL and JSON files, each with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.formatting import size as in_words
from harness.core.text import whole
from harness.tasks import encodings, json_rows, json_streams, layouts
from harness.tasks.encodings import read_text
from harness.tasks.located import Row

SMALL = 16 * 2**20
"""Length in characters up to which a JSON text's values are not counted before they are created."""
BYTES_OF = {"{": 184, "[": 88, ",": 64, ":": 128}
"""Bytes that a value after each of these takes at most, besides its text: an object, a list, an item."""
FLAT = 100
"""With fewer brackets than this, a JSON text cannot be nested too deeply."""


def jsonl_rows(path: Path, encoding: str) -> Iterator[tuple[Row, int]]:
    """Each row of a JSONL file with its line, even if the objects span several lines.

    Raises:
        ConfigError: broken JSON or a row that is not an object (with the line), or the wrong encoding.
    """
    first = next((text for _, text in _text_lines(path, encoding)), "")
    _refuse_swelling(first, path)
    if not _is_object(first.lstrip()):
        text = read_text(path, encoding)
        _refuse_swelling(text, path)
        objects = json_streams.objects(text)
        if objects is not None:
            yield from objects
            return
    for number, text in _text_lines(path, encoding):
        _refuse_swelling(text, path, number)
        yield _object(parsed(text, path, number), path, number), number


def document_rows(path: Path, encoding: str) -> Iterator[tuple[Row, int | None]]:
    """Each row of a JSON file, with its line if the file is a list of rows.

    Raises:
        ConfigError: broken JSON, a document without rows, or the wrong encoding.
    """
    text = read_text(path, encoding)
    _refuse_swelling(text, path)
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
        # This includes numbers of thousands of digits, which Python refuses.
        raise ConfigError(f"broken JSON: {error}", file=path, line=line) from None


def _refuse_swelling(text: str, path: Path, line: int | None = None) -> None:
    """Refuse a text whose values take more memory than reading its file may: the library creates all of them
    at once, where no deadline can interrupt it. Every value follows a bracket, a comma or a colon."""
    if len(text) <= SMALL:
        return
    memory = sum(text.count(mark) * size for mark, size in BYTES_OF.items())
    if memory > guarded.memory_of(path):
        message = (
            f"its values take up to {in_words(memory)}; at most {in_words(guarded.memory_of(path))} are held"
        )
        raise ConfigError(message, file=path, line=line, remedy="divide it into several files")


def _text_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The lines of a text file that are not blank, with their numbers."""
    try:
        codec = encodings.actual(path, encoding)
        # Lines end with \n alone: U+2028 and its like are ordinary characters inside a JSON string.
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

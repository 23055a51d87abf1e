"""JSON from strangers: bounded in size, errors with file and line, bare NaN and lone surrogates read as
written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from harness.core import packed
from harness.core.errors import ConfigError
from harness.core.json_types import JsonObject, JsonValue

MOST_BYTES = 1 << 30
"""Largest size of a JSON document that is read as a whole, or of a member of an archive."""
MOST_LINE = 1 << 28
"""Most bytes in one line of a JSONL file."""
BUFFER = 1 << 18
"""Bytes of a JSONL file that are read at a time."""
Record = TypeVar("Record", bound=msgspec.Struct)
AGAIN = "copy the file again, or run the tool again"
NULL = msgspec.Raw(b"null")
_VALUES: msgspec.json.Decoder[object] = msgspec.json.Decoder(object)


def mapping(value: object) -> JsonObject:
    """An object of a foreign file; empty if it is not an object."""
    return cast(JsonObject, value) if isinstance(value, Mapping) else {}


def parsed(raw: bytes, file: Path, where: str = "") -> JsonValue:
    """One JSON document.

    Raises:
        ConfigError: not JSON, or nested too deeply.
    """
    inside = f" in {where}" if where else ""
    try:
        return cast(JsonValue, json.loads(raw.decode("utf-8-sig", errors="replace")))
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) - 1 or error.msg.startswith("Unterminated string")
        what = f"is cut off{inside}" if cut else f"is not JSON{inside} ({error.msg})"
        raise ConfigError(
            what,
            file=file,
            line=None if where else error.lineno,
            remedy=AGAIN,
        ) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"cannot be read as JSON{inside}: {type(error).__name__}", file=file) from None


def whole(file: Path) -> JsonObject:
    """The object that a file holds.

    Raises:
        ConfigError: missing, too large, packed, not JSON, or not an object.
    """
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise ConfigError(f"{size:,} bytes are too many for one JSON document", file=file)
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    refusal = packed.refusal(file, raw)
    if refusal is not None:
        raise refusal
    value = parsed(raw, file)
    if not isinstance(value, dict):
        raise ConfigError("not a JSON object", file=file, remedy=AGAIN)
    return value


def lines(file: Path) -> Iterator[tuple[int, JsonObject]]:
    """The objects of a JSONL file with their line numbers; empty lines are skipped.

    Raises:
        ConfigError: a line that is not a JSON object; the last one may have been cut off.
    """
    decode = _VALUES.decode
    for number, raw in _raw_lines(file):
        try:
            value = decode(raw)
        except (ValueError, RecursionError):
            if raw.isspace():
                continue
            value = _odd_line(raw, file, number)
        if not isinstance(value, dict):
            raise ConfigError("not a JSON object", file=file, line=number, remedy=AGAIN)
        yield number, value


def records(file: Path, kind: type[Record]) -> Iterator[Record]:
    """The objects of a JSONL file as records; fields that `kind` lacks are not read.

    Every field of `kind` takes any value and has a default: the file comes from a stranger and may hold
    anything.

    Raises:
        ConfigError: as `lines`.
    """
    return records_of(_raw_lines(file), file, kind)


def records_of(lines: Iterable[tuple[int, bytes]], file: Path, kind: type[Record]) -> Iterator[Record]:
    """`records` of some lines of a file, which come with their numbers."""
    decode = msgspec.json.Decoder(kind).decode
    for number, raw in lines:
        try:
            yield decode(raw)
        except (ValueError, RecursionError):
            if raw.isspace():
                continue
            value = _odd_line(raw, file, number)
            if not isinstance(value, dict):
                raise ConfigError("not a JSON object", file=file, line=number, remedy=AGAIN) from None
            yield record_of(value, kind)


def record_of(value: JsonObject, kind: type[Record]) -> Record:
    """An object as a record; see `records`."""
    fields = msgspec.structs.fields(kind)
    return kind(**{field.name: value[field.encode_name] for field in fields if field.encode_name in value})


def _raw_lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with _opened(file) as stream:
        yield from enumerate(iter(partial(stream.readline, MOST_LINE), b""), start=1)


def raw_blocks(file: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a file without their ends, about BUFFER bytes of them at a time, with the number of the first. Behind a line
    that has an end comes another, which may be empty.

    Raises:
        ConfigError: the file cannot be read.
    """
    number = 1
    with _opened(file) as stream:
        while piece := stream.read(BUFFER):
            lines = (piece + stream.readline(MOST_LINE)).split(b"\n")
            yield number, lines
            number += len(lines) - 1


def lines_of(block: Sequence[bytes], first: int) -> Iterator[tuple[int, bytes]]:
    """The lines of such a block with their numbers, of which the first one's is known."""
    return enumerate(io.BytesIO(b"\n".join(block)), start=first)


def _opened(file: Path) -> io.BufferedReader[io.FileIO]:
    try:
        stream = io.BufferedReader(io.FileIO(file), BUFFER)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    refusal = packed.refusal(file, stream.peek(packed.LONGEST))
    if refusal is not None:
        stream.close()
        raise refusal
    return stream


def _odd_line(raw: bytes, file: Path, number: int) -> JsonValue:
    """A line that the fast reader refuses: with NaN, lone surrogates or deep nesting, or not JSON at all."""
    try:
        return cast(JsonValue, json.loads(raw.decode("utf-8-sig", errors="replace")))
    except (ValueError, RecursionError):
        what = "is not JSON" if raw.endswith(b"\n") else "is cut off in the middle"
        raise ConfigError(f"the line {what}", file=file, line=number, remedy=AGAIN) from None


def plain(value: object) -> object:
    """A value that may have been left as it is written."""
    return _VALUES.decode(value) if type(value) is msgspec.Raw else value


def text_of(value: object) -> str | None:
    """The text, or None if the value is not text."""
    return value if isinstance(value, str) else None


def object_of(value: object) -> JsonObject:
    """The object, or an empty one if the value is not an object."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[JsonValue]:
    """The list, or an empty one if the value is not a list."""
    return value if isinstance(value, list) else []


def shown_id(value: object) -> str:
    """An id as text: 1, "1" and 1.0 are one id; empty if there is none."""
    if value is None:
        return ""
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

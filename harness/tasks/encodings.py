"""Text files and their encodings: read as named, or refused with the encoding that would work."""

from __future__ import annotations

import codecs
from pathlib import Path

from harness.core.errors import ConfigError

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""What a byte order mark at the start of a file says."""
ICONV = {"latin-1": "latin1", "utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE"}
"""What iconv calls codecs that Python calls otherwise."""
SAMPLE = 65_536
"""Bytes that are looked at to tell UTF-16 without a mark."""
UNDEFINED_1252 = frozenset((0x81, 0x8D, 0x8F, 0x90, 0x9D))
"""Bytes that mean nothing in Windows-1252."""


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A text file without its byte order mark.

    Raises:
        ConfigError: missing, an unknown encoding, or not in that encoding: names the byte, its line and
            the encoding that would work.
    """
    try:
        data = path.read_bytes()
        return data.decode(actual(path, encoding)).removeprefix("\ufeff")
    except FileNotFoundError:
        raise ConfigError("no such file", file=path) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        message, remedy = f"not {encoding.upper()} ({byte})", _remedy(path, likely(data))
        raise ConfigError(message, file=path, line=line, remedy=remedy) from None
    except (LookupError, ValueError):
        raise ConfigError(f"unknown encoding {encoding!r}", file=path, remedy="e.g. utf-8, latin-1") from None


def actual(path: Path, encoding: str) -> str:
    """The codec to read a file with: what its byte order mark says goes before the default.

    Raises:
        ConfigError: UTF-16 without a byte order mark, read as UTF-8.
    """
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
        return encoding
    with path.open("rb") as stream:
        head = stream.read(SAMPLE)
    for mark, codec in MARKS.items():
        if head.startswith(mark):
            return codec
    if b"\x00" in head and (wide := _wide(head)):
        raise ConfigError(
            "not UTF-8 but UTF-16 without a byte order mark", file=path, remedy=_remedy(path, wide)
        )
    return encoding


def likely(data: bytes) -> str:
    """The encoding of bytes that are not UTF-8: UTF-16, Windows-1252 or Latin-1.

    Windows-1252 and Latin-1 differ in the bytes 0x80 to 0x9f alone: letters and quotes in the one, control
    characters in the other.
    """
    mark = next((codec for mark, codec in MARKS.items() if data.startswith(mark)), None)
    if codec := mark or _wide(data[:SAMPLE]):
        return codec
    middle = {byte for byte in data if 0x80 <= byte <= 0x9F}
    return "cp1252" if middle and not middle & UNDEFINED_1252 else "latin-1"


def _wide(data: bytes) -> str | None:
    """UTF-16 by its zero bytes: every second one, in texts of Latin letters."""
    half = max(1, len(data) // 2)
    for codec, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if data[first::2].count(0) > 0.7 * half and data[1 - first :: 2].count(0) < 0.1 * half:
            return codec
    return None


def _remedy(path: Path, codec: str) -> str:
    convert = f"iconv -f {ICONV.get(codec, codec)} -t utf-8 {path.name} > converted{path.suffix}"
    return (
        f"it looks like {codec}: convert it ({convert}), or add --encoding {codec} to `harness init`, "
        f"or to a task file data: {{encoding: {codec}}}"
    )

"""Files written whole or not at all, lines appended after a kill, and user-named files with one-line errors."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from harness.core.errors import ConfigError
from harness.core.secrets import masked


def write_text(path: Path, text: str) -> None:
    """Write a text file; its folder is created if missing.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(masked(text), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        remedy = "name a file in a folder that can be written"
        raise ConfigError(f"cannot be written: {error.strerror}", file=path, remedy=remedy) from None


DRAFT = ".part"
"""The suffix of a file that is being written; nothing reads or uploads such a file."""


@contextmanager
def draft(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A path to write to, which replaces `path` at the end, or is dropped if writing fails.

    A link is kept, and the file that it leads to is replaced; anything but a regular file (`/dev/stdout`, a
    pipe) is written to directly.

    Args:
        sync: have the content on disk before the rename, so that a power cut leaves the old file or the new one.

    Raises:
        ConfigError: a link to nothing.
    """
    if path.is_symlink():
        if not path.exists():
            raise ConfigError("is a link to nothing", file=path, remedy="delete it, or name another file")
        path = path.resolve()
    if path.exists() and not path.is_file():
        with tempfile.TemporaryDirectory() as apart:
            yield (part := Path(apart) / "content")
            with path.open("wb") as stream:
                stream.write(part.read_bytes())
        return
    part = path.with_name(f"{path.name}.{os.getpid()}{DRAFT}")
    part.unlink(missing_ok=True)
    try:
        yield part
        if sync:
            with part.open("rb") as stream:
                os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write a JSON file whole or not at all; a lone surrogate is written as JSON escapes it."""
    with (
        draft(path, sync=True) as part,
        part.open("w", encoding="utf-8", errors="backslashreplace") as stream,
    ):
        stream.write(masked(json.dumps(value, ensure_ascii=False, indent=1)))


def json_line(value: object) -> bytes:
    """A value as one line of JSON; a lone surrogate as JSON escapes it, a key of this process as ***."""
    return masked(json.dumps(value, ensure_ascii=False)).encode("utf-8", errors="backslashreplace") + b"\n"


def append_line(path: Path, value: object) -> bytes:
    """Append one JSON line, hand it to the system at once, and return it as written; see `append_lines`."""
    return append_lines(path, [value])


def append_lines(path: Path, values: Iterable[object]) -> bytes:
    """Append JSON lines, hand them to the system at once, and return them as written.

    They are separate lines even if others write too, and even after a line that a kill or a full disk cut
    off.
    """
    with path.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        lines = b"".join(map(json_line, values))
        stream.write(line_end(stream) + lines)
    return lines


def line_end(stream: IO[bytes]) -> bytes:
    """A line break if the last line of a file was cut off; else nothing."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(end - 1, 0))
    return b"" if stream.read(1) in (b"", b"\n") else b"\n"

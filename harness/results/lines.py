"""JSONL files read as records. `samples.jsonl` is remembered, so that one command reads it once.

A file whose size and modification time are unchanged is not read again. Answers that are appended here
join what is remembered.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from harness.core import guarded
from harness.core.files import append_line
from harness.core.secrets import HIDDEN
from harness.core.text import repaired
from harness.core.validation import adapter
from harness.results.records.sample import SampleRecord

MEMORY = 256 << 20
"""Bytes of files that are remembered; the least recently used file is forgotten first."""
ODD = "not in the layout of a run"
"""What is reported about a line whose values have other types."""
T = TypeVar("T")
State = tuple[int, int, int]
"""A file's size, modification time in ns, and inode number, which changes when the file is replaced."""


@dataclass
class _Known:
    """A file as it was read: its records, what was wrong, and whether it was intact."""

    state: State
    rows: list[SampleRecord]
    problems: tuple[str, ...]
    terminated: bool
    """Whether the last line ends with a newline."""


_known: OrderedDict[Path, _Known] = OrderedDict()


def samples(path: Path, problems: list[str] | None = None) -> list[SampleRecord]:
    """The answers of a run, in order; none if there is no such file.

    Args:
        problems: takes what could not be read, by line; it is skipped.
    """
    known = _read(path)
    if known is None:
        return []
    if problems is not None:
        problems += known.problems
    return list(known.rows)


def whole_samples(path: Path) -> list[SampleRecord]:
    """As `samples`, for a caller that continues writing: the file is cut off before the first line that
    cannot be read."""
    known = _read(path)
    if known is None:
        return []
    if known.problems or not known.terminated:
        os.truncate(path, _whole(path))
        known = _read(path)
    return [] if known is None else list(known.rows)


def append_sample(path: Path, row: SampleRecord) -> None:
    """Append an answer and hand it to the system at once."""
    key = path.absolute()
    known = _known.get(key)
    current = known is not None and known.state == _state(path)
    new = known is None and _state(path) is None
    line = append_line(path, row.to_json())
    # What is remembered, and goes into the database, holds no key that the file lacks.
    if HIDDEN.encode() in line:
        row = adapter(SampleRecord).validate_python(loads(line))
    state = _state(path)
    if state is None:
        return
    if new:
        _known[key] = _Known(state, [row], (), True)
    elif known is not None and current:
        known.rows.append(row)
        known.state = state


def records(path: Path, kind: type[T], problems: list[str]) -> Iterator[T]:
    """The lines of a file as records; what cannot be read is skipped and named in `problems`.

    A last line without its newline was being written when the run stopped.
    """
    if path.exists():
        with guarded.of_results(path).open("rb") as stream:
            yield from _parsed(stream, path.name, kind, problems)


def _parsed(stream: Iterable[bytes], name: str, kind: type[T], problems: list[str]) -> Iterator[T]:
    reader: TypeAdapter[T] = adapter(kind)
    read = reader.validate_json
    for number, line in enumerate(stream, start=1):
        try:
            yield read(line)
        except ValueError:
            problem = ""
            try:
                yield _tolerated(line, reader)
            except ValueError as error:
                problem = str(error)
            if problem:
                problems.append(f"{name}:{number}: {problem}; skipped")


def _tolerated(line: bytes, reader: TypeAdapter[T]) -> T:
    """A line that the fast reader refuses: with lone surrogates, or with null for an absent field.

    Raises:
        ValueError: it is not such a record; the message says why.
    """
    try:
        raw = loads(line)
    except ValueError:
        cut = not line.endswith(b"\n")
        raise ValueError("cut off in the middle of its last line" if cut else "not JSON") from None
    if not isinstance(raw, dict):
        raise ValueError("not an object")
    try:
        return reader.validate_python({name: value for name, value in raw.items() if value is not None})
    except ValueError as error:
        raise ValueError(f"{ODD} ({reason(error)})") from None


def loads(raw: bytes) -> Any:
    """JSON text as other programs may write it: with NaN, and with lone surrogates, which are replaced.

    Raises:
        ValueError: not JSON.
    """
    try:
        value = json.loads(raw.decode("utf-8", errors="replace"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return repaired(value) if b"\\ud" in raw.lower() else value


def reason(error: ValueError) -> str:
    """The first complaint of a record's reader, with the field that it is about."""
    complaints = getattr(error, "errors", None)
    if complaints is None:
        return str(error)
    first = complaints(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _read(path: Path) -> _Known | None:
    state, key = _state(path), path.absolute()
    if state is None:
        _known.pop(key, None)
        return None
    known = _known.get(key)
    if known is None or known.state != state:
        problems: list[str] = []
        with guarded.of_results(path).open("rb") as stream:
            rows = list(_parsed(stream, path.name, SampleRecord, problems))
            stream.seek(max(stream.seek(0, os.SEEK_END) - 1, 0))
            terminated = stream.read(1) in (b"", b"\n")
        known = _known[key] = _Known(state, rows, tuple(problems), terminated)
    _known.move_to_end(key)
    while len(_known) > 1 and sum(one.state[0] for one in _known.values()) > MEMORY:
        _known.popitem(last=False)
    return known


def _state(path: Path) -> State | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ino


def _whole(path: Path) -> int:
    """How many bytes of a file come before the first line that cannot be read."""
    reader, end = adapter(SampleRecord), 0
    with path.open("rb") as stream:
        for line in stream:
            try:
                if not line.endswith(b"\n"):
                    break
                reader.validate_python(loads(line))
            except ValueError:
                break
            end += len(line)
    return end

"""Content hashes: what decides a result decides its key, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    # The encoder is built again for each call, so the forms of most targets and inputs do without.
    if type(value) is str:
        return _TEXT(value)
    if type(value) is dict and all(type(key) is str and type(item) is str for key, item in value.items()):
        return "{" + ",".join([f"{_TEXT(key)}:{_TEXT(value[key])}" for key in sorted(value)]) + "}"
    return _JSON(value)


def digest(value: object) -> str:
    """SHA-256 of the canonical JSON of `value`, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def digest_of_rows(rows: Mapping[str, Mapping[str, Iterable[object]]], rest: Mapping[str, object]) -> str:
    """`digest({**rows, **rest})`, with the lists in `rows` written a batch at a time: the text of a million rows would
    take as much memory as the rows.

    Args:
        rows: lists by the name of their part, such as a split, by the name of the whole.
    """
    text = hashlib.sha256()
    for position, key in enumerate(sorted({*rows, *rest})):
        text.update(f"{',' if position else '{'}{canonical_json(key)}:".encode())
        if key not in rows:
            text.update(canonical_json(rest[key]).encode())
            continue
        for number, name in enumerate(sorted(rows[key])):
            text.update(f"{',' if number else '{'}{canonical_json(name)}:[".encode())
            for piece in _items(rows[key][name]):
                text.update(piece.encode())
            text.update(b"]")
        text.update(b"}" if rows[key] else b"{}")
    text.update(b"}")
    return text.hexdigest()


def _items(rows: Iterable[object]) -> Iterator[str]:
    """The canonical JSON between the brackets of a list."""
    waiting, comma = iter(rows), ""
    while batch := list(islice(waiting, _BATCH)):
        yield comma + canonical_json(batch)[1:-1]
        comma = ","


_TEXT = json.JSONEncoder(ensure_ascii=False).encode
_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_BATCH = 1000


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

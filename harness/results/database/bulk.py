"""Many answers at once: a `samples.jsonl` that is in order is read by DuckDB itself.

What is odd in any way (a line cut off, an example twice, the value NaN, another type) is left to the row by
row reading, which says what is wrong and takes the rest; a test holds the two to the same tables. What the
answers say is not odd: a text with the word NaN, or with half a character, is read as fast as any other.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Self

import duckdb

from harness.results.database.store import Store

SMALLEST = 1_000_000
"""Bytes: below, starting another DuckDB takes longer than it saves."""
MEMORY = "1GB"
"""What is beyond it goes to a temporary folder."""
CHUNK = 1 << 20
_HALVES = (b"\\ud", b"\\uD")
_ESCAPE = re.compile(
    rb"(?<!\\)((?:\\\\)*)"
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""A whole character in two escapes, or half of one; an even number of backslashes before it are text."""
_PAIR = 12
"""Bytes of the two escapes."""

_PARSE = "STRUCT(status VARCHAR, reason VARCHAR, path VARCHAR, value JSON)"
_SCORE = "STRUCT(scorer VARCHAR, status VARCHAR, value DOUBLE, reason VARCHAR, version INTEGER)"
_PASSAGE = "STRUCT(document VARCHAR, title VARCHAR, text VARCHAR, score DOUBLE)"
_FIELDS = {
    **dict.fromkeys(("sample_id", "group", "prompt", "output", "finish_reason"), "VARCHAR"),
    **dict.fromkeys(("error", "failure", "thoughts"), "VARCHAR"),
    **dict.fromkeys(("input", "target", "meta"), "JSON"),
    **dict.fromkeys(("context_ids", "shots"), "VARCHAR[]"),
    "gold_twins": "VARCHAR[][]",
    **dict.fromkeys(("tokens_in", "tokens_out", "retries", "shots_dropped", "passages_dropped"), "INTEGER"),
    "thought_tokens": "INTEGER",
    **dict.fromkeys(("seconds", "waited", "clock"), "DOUBLE"),
    **dict.fromkeys(("strict", "extracted"), _PARSE),
    **{"cached": "BOOLEAN", "scores": f"{_SCORE}[]", "passages": f"{_PASSAGE}[]"},
}
_SAMPLES = """
SELECT sample_id, position, CAST(input AS VARCHAR) AS input, CAST(target AS VARCHAR) AS target,
       "group" AS group_id, CAST(meta AS VARCHAR) AS meta, coalesce(context_ids, []) AS context_ids,
       prompt, coalesce(shots, []) AS shots, output, tokens_in, tokens_out, seconds, waited,
       retries, clock, finish_reason, cached, error, strict.status AS strict_status, strict.reason AS strict_reason,
       strict.path AS strict_path, extracted.status AS extracted_status,
       extracted.reason AS extracted_reason, extracted.path AS extracted_path,
       CAST(extracted.value AS VARCHAR) AS extracted_value, failure, shots_dropped, passages_dropped,
       thoughts, thought_tokens
FROM answers
"""
_SCORES = """
SELECT sample_id, unnest(scores, recursive := true) FROM answers
"""
_RETRIEVALS = """
SELECT sample_id, CAST(rank AS INTEGER) AS rank, p.document, p.title, p.text, p.score,
       CASE WHEN len(gold_ids) > 0 THEN list_contains(gold_ids, p.document) END AS gold
FROM (SELECT sample_id, position, coalesce(flatten(gold_twins), context_ids) AS gold_ids, unnest(passages) AS p,
             generate_subscripts(passages, 1) AS rank FROM answers WHERE len(passages) > 0)
"""


def load(store: Store, run_id: str, path: Path) -> int | None:
    """Bring the samples of a run into the store; how many, or None if they must be read row by row."""
    with Reader() as reader:
        return reader.load(store, run_id, path)


class Reader:
    """A DuckDB of its own that reads one file after another: a file that it refuses breaks no transaction of
    the store."""

    def __init__(self) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="harness-ingest-")
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._spill.cleanup()

    def load(self, store: Store, run_id: str, path: Path) -> int | None:
        """See `load`."""
        lines = _lines(path)
        if lines is None:
            return None
        reader = self._connected()
        try:
            self._read(reader, path)
            counts = "SELECT count(*), count(sample_id), count(DISTINCT sample_id) FROM answers"
            if reader.execute(counts).fetchall() != [(lines, lines, lines)]:
                return None
            if reader.execute(_NOT_NUMBERS).fetchall() != [(0,)]:
                return None
        except duckdb.Error:
            return None
        for table, query in (("samples", _SAMPLES), ("scores", _SCORES), ("retrievals", _RETRIEVALS)):
            incoming = reader.sql(query).to_arrow_reader(100_000)
            store.connection.register("_incoming", incoming)
            store.execute(f"INSERT INTO {table} BY NAME SELECT ? AS run_id, * FROM _incoming", [run_id])
            store.connection.unregister("_incoming")
        return lines

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = duckdb.connect()
            self._connection.execute(
                f"SET memory_limit = '{MEMORY}'; SET temp_directory = '{self._spill.name}'"
            )
        return self._connection

    def _read(self, reader: duckdb.DuckDBPyConnection, path: Path) -> None:
        """Make the table `answers` of a file; once more where halves of characters are why it is refused."""
        try:
            reader.execute(f"CREATE OR REPLACE TABLE answers AS {_READ}", [str(path)])
        except duckdb.Error:
            copy = _with_whole_characters(path, Path(self._spill.name) / "samples.jsonl")
            if copy is None:
                raise
            reader.execute(f"CREATE OR REPLACE TABLE answers AS {_READ}", [str(copy)])
            copy.unlink()


_OUTSIDE = """ifnull(contains({0}, 'NaN') OR contains({0}, 'Infinity'), false)
  AND regexp_matches(regexp_replace({0}, '"(\\\\.|[^"\\\\])*"', '', 'g'), 'NaN|Infinity')"""
"""Whether a JSON value has such a number outside its texts."""
_NOT_NUMBERS = "SELECT count(*) FROM answers WHERE " + " OR ".join(
    [
        *(f"NOT ifnull(isfinite({name}), true)" for name in ("seconds", "waited", "clock")),
        *(
            f"ifnull(len(list_filter({column}, lambda item: NOT ifnull(isfinite(item.{field}), true))) > 0, false)"
            for column, field in (("scores", "value"), ("passages", "score"))
        ),
        *(
            f"({_OUTSIDE.format(f'CAST({name} AS VARCHAR)')})"
            for name in ("input", "target", "meta", "strict.value", "extracted.value")
        ),
    ]
)
"""How many rows hold a number that JSON does not have."""
_READ = (
    "SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS position, * FROM read_json(?, "
    "format = 'newline_delimited', columns = {"
    + ", ".join(f"'{name}': '{kind}'" for name, kind in _FIELDS.items())
    + "})"
)


def _lines(path: Path) -> int | None:
    """How many lines a file has that is large enough and whole; else None."""
    if not path.exists() or path.stat().st_size < SMALLEST:
        return None
    lines, piece = 0, b""
    with path.open("rb") as stream:
        while more := stream.read(CHUNK):
            lines += more.count(b"\n")
            piece = more
    return lines if piece.endswith(b"\n") else None


def _with_whole_characters(path: Path, copy: Path) -> Path | None:
    """A copy in which the replacement character stands for each half of a character, as row by row reading has
    it: no UTF-8 holds a half, and DuckDB refuses the whole file. None if there is no half."""
    changed = False
    with path.open("rb") as stream, copy.open("wb") as out:
        for line in stream:
            whole = _ESCAPE.sub(_whole, line) if any(escape in line for escape in _HALVES) else line
            changed = changed or whole != line
            out.write(whole)
    return copy if changed else None


def _whole(escape: re.Match[bytes]) -> bytes:
    return escape[0] if len(escape[2]) == _PAIR else escape[1] + b"\\ufffd"

"""Many answers at once: a well-formed `samples.jsonl` is read by DuckDB itself.

A file that is odd in any way (a truncated line, a duplicate example, the value NaN, a wrong type) is left to
the row-by-row reader, which reports what is wrong and takes the rest; a test checks that both give the same
tables. The contents of answers are never odd: a text with the word NaN, or with a lone surrogate, is read as
fast as any other.
"""

from __future__ import annotations

import os
import re
import tempfile
from array import array
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import duckdb

from harness.results.database.store import Store

SMALLEST = 1_000_000
"""File size in bytes below which starting another DuckDB takes longer than it saves."""
MEMORY = "1GB"
"""Data beyond it goes to a temporary folder beside the database."""
CHUNK = 1 << 20
PER_THREAD = 64 << 20
"""Bytes of a file for which one more thread saves time; below, threads only cost processor time."""
_HEX = rb"[0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"\\(\\*)(?:u[dD][89abAB]" + _HEX + rb"(\\u[dD][c-fC-F]" + _HEX + rb")|u[dD][89a-fA-F]" + _HEX + rb")"
)
"""A surrogate pair in two escapes, or a lone one, with all backslashes before it: an even number of them is
text."""
_REPLACEMENT = rb"\ufffd"

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
_KNOWN = frozenset({"strict", "extracted", "scores"})
"""Fields of an answer that its writer may know for all."""
_VALUES = "values_of_a_scorer"
_SAMPLES = """
SELECT sample_id, CAST(rowid AS INTEGER) AS position, input, target,
       "group" AS group_id, meta, coalesce(context_ids, []) AS context_ids,
       prompt, coalesce(shots, []) AS shots, output, tokens_in, tokens_out, seconds, waited,
       retries, clock, finish_reason, cached, error, strict.status AS strict_status, strict.reason AS strict_reason,
       strict.path AS strict_path, extracted.status AS extracted_status,
       extracted.reason AS extracted_reason, extracted.path AS extracted_path,
       extracted.value AS extracted_value, failure, shots_dropped, passages_dropped,
       thoughts, thought_tokens
FROM {answers}
"""
_SCORES = """
SELECT sample_id, unnest(scores, recursive := true) FROM {answers}
"""
_RETRIEVALS = """
SELECT sample_id, CAST(rank AS INTEGER) AS rank, p.document, p.title, p.text, p.score,
       CASE WHEN len(gold_ids) > 0 THEN list_contains(gold_ids, p.document) END AS gold
FROM (SELECT sample_id, coalesce(flatten(gold_twins), context_ids) AS gold_ids, unnest(passages) AS p,
             generate_subscripts(passages, 1) AS rank FROM {answers} WHERE len(passages) > 0)
"""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What the writer of a file knows: how many answers it holds, each under a name of its own and with numbers that JSON
    has, and the fields outside which none of them has a value. So their check is left out, and no column is read for
    nothing."""

    count: int
    fields: frozenset[str]
    plain_scores: Mapping[str, array[float]] | None = None
    """By scorer, in the order of the lines, if every answer is its own whole value and has every score. Then neither the value
    nor a score is read from the lines, whose nested fields take as long as all others."""

    @property
    def read(self) -> frozenset[str]:
        """The fields to read from the lines."""
        return self.fields if self.plain_scores is None else self.fields - _KNOWN


def load(store: Store, run_id: str, path: Path) -> int | None:
    """Bring the samples of a run into the store; how many, or None if they must be read row by row."""
    with Reader(store) as reader:
        return reader.load(run_id, path)


class Reader:
    """Reads one file after another into a database in memory that is attached to the store, over a connection
    of its own: a file that it refuses does not break a transaction of the store, and no row passes through
    Python.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._files = store, 0
        self._cores = os.cpu_count() or 1
        self._spill = tempfile.TemporaryDirectory(prefix="harness-ingest-")
        self._connection: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._spill.cleanup()

    def load(self, run_id: str, path: Path, written: Written | None = None) -> int | None:
        """See `load`; `written` is what a writer in this process knows of the file."""
        if not _is_large_and_whole(path):
            return None
        connection = self._connected()
        self._use_threads(path.stat().st_size)
        # A new database each time: within a transaction the store sees an attached one in the state in which
        # it first read it.
        self._files += 1
        scratch = f"answers_{self._files}"
        connection.execute(f"ATTACH ':memory:' AS {scratch}")
        try:
            answers = f"{scratch}.answers"
            lines = None if written is None else self._read_unchecked(connection, answers, path, written)
            trusted = None if lines is None else written
            if lines is None:
                lines = self._read(connection, answers, path)
            if lines is None:
                return None
            complete = _with_all_fields(answers, trusted)
            for table, query in (("samples", _SAMPLES), ("scores", _SCORES), ("retrievals", _RETRIEVALS)):
                rows = query.format(answers=complete)
                self._store.execute(
                    f"INSERT INTO {table} BY NAME SELECT ? AS run_id, * FROM ({rows})", [run_id]
                )
            if trusted is not None and trusted.plain_scores is not None:
                self._insert(trusted.plain_scores, run_id, answers)
        finally:
            connection.execute(f"DETACH {scratch}")
        return lines

    def _insert(self, scores: Mapping[str, array[float]], run_id: str, answers: str) -> None:
        """Scores in the order of the answers."""
        import numpy as np

        for scorer, values in scores.items():
            self._store.connection.register(_VALUES, {"value": np.frombuffer(values)})
            try:
                self._store.execute(
                    "INSERT INTO scores BY NAME SELECT ? AS run_id, sample_id, ? AS scorer, 'scored' AS status, value "
                    f"FROM (SELECT sample_id FROM {answers}) POSITIONAL JOIN {_VALUES}",
                    [run_id, scorer],
                )
            finally:
                self._store.connection.unregister(_VALUES)

    def _connected(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = self._store.connection.cursor()
            self._connection.execute(f"SET memory_limit = '{MEMORY}'")
        return self._connection

    def _use_threads(self, size: int) -> None:
        threads = max(1, min(self._cores, size // PER_THREAD))
        self._connected().execute(f"SET threads = {threads}")

    def _read(self, connection: duckdb.DuckDBPyConnection, answers: str, path: Path) -> int | None:
        """Make the table of a file's answers, while another thread counts the lines; return their number, or None
        if a line is no answer or something in them is odd."""
        with ThreadPoolExecutor(1) as pool:
            counted = pool.submit(_lines, path)
            try:
                self._create(connection, answers, path)
                counts = f"SELECT count(*), count(sample_id), count(DISTINCT sample_id) FROM {answers}"
                lines = counted.result()
                if connection.execute(counts).fetchall() != [(lines, lines, lines)]:
                    return None
                odd = f"SELECT count(*) FROM {answers} WHERE {_HAS_NOT_A_NUMBER}"
                return lines if connection.execute(odd).fetchall() == [(0,)] else None
            except duckdb.Error:
                return None

    def _read_unchecked(
        self, connection: duckdb.DuckDBPyConnection, answers: str, path: Path, written: Written
    ) -> int | None:
        """As `_read`, for a file whose writer checked its answers; None if it is not the file that was written."""
        read = _reading({name: kind for name, kind in _FIELDS.items() if name in written.read})
        counts = f"SELECT count(*), count(sample_id) FROM {answers}"
        try:
            self._create(connection, answers, path, read)
            counted = connection.execute(counts).fetchall()
        except duckdb.Error:
            return None
        return written.count if counted == [(written.count, written.count)] else None

    def _create(
        self, connection: duckdb.DuckDBPyConnection, answers: str, path: Path, read: str = ""
    ) -> None:
        """Try again if lone surrogates are why the file is refused."""
        create = f"CREATE OR REPLACE TABLE {answers} AS {read or _READ}"
        try:
            connection.execute(create, [str(path)])
        except duckdb.Error:
            copy = _with_whole_characters(path, Path(self._spill.name) / "samples.jsonl")
            if copy is None:
                raise
            connection.execute(create, [str(copy)])
            copy.unlink()


_OUTSIDE = """ifnull(contains({0}, 'NaN') OR contains({0}, 'Infinity'), false)
  AND regexp_matches(regexp_replace({0}, '"(\\\\.|[^"\\\\])*"', '', 'g'), 'NaN|Infinity')"""
"""Whether a JSON value has such a number outside its strings."""
_HAS_NOT_A_NUMBER = " OR ".join(
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
"""Whether a row holds a number that JSON does not have."""


def _reading(fields: Mapping[str, str]) -> str:
    """The query that reads these fields of a file, by their types."""
    # Without row_number(), which would make it the work of one thread: the table's rowid counts the lines.
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in fields.items())
    return f"SELECT * FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}})"


_READ = _reading(_FIELDS)


def _with_all_fields(answers: str, written: Written | None) -> str:
    """The answers with all fields, of which only some were read if their writer is known."""
    if written is None:
        return f"(SELECT rowid, * FROM {answers})"
    known = (
        {}
        if written.plain_scores is None
        else {"strict": _valid("NULL"), "extracted": _valid("to_json(output)")}
    )
    others = [
        f'{known.get(name, "NULL")}::{kind} AS "{name}"'
        for name, kind in _FIELDS.items()
        if name not in written.read
    ]
    return f"(SELECT {', '.join(['rowid', '*', *others])} FROM {answers})"


def _valid(value: str) -> str:
    return f"struct_pack(status := 'valid', reason := NULL, path := NULL, value := {value})"


def _is_large_and_whole(path: Path) -> bool:
    """Whether a file is large enough, and its last line complete."""
    if not path.exists() or path.stat().st_size < max(SMALLEST, 1):
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(piece.count(b"\n") for piece in iter(partial(stream.read, CHUNK), b""))


def _with_whole_characters(path: Path, copy: Path) -> Path | None:
    """A copy in which the replacement character stands for each lone surrogate, as in the row-by-row reader:
    UTF-8 cannot hold one, and DuckDB refuses the whole file. None if there is none."""
    changed = False
    with path.open("rb") as stream, copy.open("wb") as out:
        while piece := stream.read(CHUNK):
            lines = piece + stream.readline()
            whole = _ESCAPE.sub(_whole, lines)
            changed = changed or whole != lines
            out.write(whole)
    return copy if changed else None


def _whole(escape: re.Match[bytes]) -> bytes:
    text, more, second = escape[0], escape[1], escape[2]
    if len(more) % 2:
        return text[: -len(second)] + _REPLACEMENT if second else text
    return text if second else more + _REPLACEMENT

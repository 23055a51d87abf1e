"""Many answers at once: a well-formed `samples.jsonl` is read by DuckDB itself.

A file that is odd in any way (a truncated line, a duplicate example, the value NaN, a wrong type) is left to
the row-by-row reader, which reports what is wrong and takes the rest; a test checks that both give the same
tables. The contents of answers are never odd: a text with the word NaN, or with a lone surrogate, is read as
fast as any other.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

import duckdb

from harness.results.answer_columns import stamp
from harness.results.database import known_answers, whole_characters
from harness.results.database.bulk_queries import (
    FIELDS,
    HAS_NOT_A_NUMBER,
    READ,
    RETRIEVALS,
    SAMPLES,
    SCORES,
    Written,
    reading,
    with_all_fields,
)
from harness.results.database.store import Store

SMALLEST = 1_000_000
"""File size in bytes below which starting another DuckDB takes longer than it saves."""
MEMORY = "1GB"
"""Data beyond it goes to a temporary folder beside the database."""
PER_THREAD = 64 << 20
"""Bytes of a file for which one more thread saves time; below, threads only cost processor time."""
_VALUES = "values_of_a_scorer"


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
        """See `load`; `written` is what a writer in this process knows of the file, if it is still that file."""
        if not _is_large_and_whole(path):
            return None
        if written is not None and written.stamp not in (None, stamp(path)):
            written = None
        connection = self._connected()
        self._use_threads(path.stat().st_size)
        known = None if written is None else known_answers.load(self._store, run_id, path, written)
        if known is not None:
            return known
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
            complete = with_all_fields(answers, trusted)
            for table, query in (("samples", SAMPLES), ("scores", SCORES), ("retrievals", RETRIEVALS)):
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
                odd = f"SELECT count(*) FROM {answers} WHERE {HAS_NOT_A_NUMBER}"
                return lines if connection.execute(odd).fetchall() == [(0,)] else None
            except duckdb.Error:
                return None

    def _read_unchecked(
        self, connection: duckdb.DuckDBPyConnection, answers: str, path: Path, written: Written
    ) -> int | None:
        """As `_read`, for a file whose writer checked its answers; None if it is not the file that was written."""
        read = reading({name: kind for name, kind in FIELDS.items() if name in written.read})
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
        create = f"CREATE OR REPLACE TABLE {answers} AS {read or READ}"
        try:
            connection.execute(create, [str(path)])
        except duckdb.Error:
            copy = whole_characters.copied(path, Path(self._spill.name) / "samples.jsonl")
            if copy is None:
                raise
            connection.execute(create, [str(copy)])
            copy.unlink()


def _is_large_and_whole(path: Path) -> bool:
    """Whether a file is large enough, and its last line complete."""
    if not path.exists() or path.stat().st_size < max(SMALLEST, 1):
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(piece.count(b"\n") for piece in iter(partial(stream.read, whole_characters.CHUNK), b""))

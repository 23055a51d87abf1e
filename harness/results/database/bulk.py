"""Many answers at once: a `samples.jsonl` that is in order is read by DuckDB itself.

What is odd in any way (a line cut off, an example twice, NaN, another type) is left to the row by row
reading, which says what is wrong and takes the rest; a test holds the two to the same tables.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from harness.results.database.store import Store

SMALLEST = 1_000_000
"""Bytes: below, starting another DuckDB takes longer than it saves."""
MEMORY = "1GB"
"""What is beyond it goes to a temporary folder."""
CHUNK = 1 << 20
ODD = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
"""What JSON cannot say, and halves of characters."""

_PARSE = "STRUCT(status VARCHAR, reason VARCHAR, path VARCHAR, value JSON)"
_SCORE = "STRUCT(scorer VARCHAR, status VARCHAR, value DOUBLE, reason VARCHAR, version INTEGER)"
_PASSAGE = "STRUCT(document VARCHAR, title VARCHAR, text VARCHAR, score DOUBLE)"
_FIELDS = {
    **dict.fromkeys(("sample_id", "group", "prompt", "output", "finish_reason"), "VARCHAR"),
    **dict.fromkeys(("error", "failure"), "VARCHAR"),
    **dict.fromkeys(("input", "target", "meta"), "JSON"),
    **dict.fromkeys(("context_ids", "shots"), "VARCHAR[]"),
    "gold_twins": "VARCHAR[][]",
    **dict.fromkeys(("tokens_in", "tokens_out", "retries", "shots_dropped", "passages_dropped"), "INTEGER"),
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
       CAST(extracted.value AS VARCHAR) AS extracted_value, failure, shots_dropped, passages_dropped
FROM answers ORDER BY position
"""
_SCORES = """
SELECT sample_id, unnest(scores, recursive := true) FROM answers ORDER BY position
"""
_RETRIEVALS = """
SELECT sample_id, CAST(rank AS INTEGER) AS rank, p.document, p.title, p.text, p.score,
       CASE WHEN len(gold_ids) > 0 THEN list_contains(gold_ids, p.document) END AS gold
FROM (SELECT sample_id, position, coalesce(flatten(gold_twins), context_ids) AS gold_ids, unnest(passages) AS p,
             generate_subscripts(passages, 1) AS rank FROM answers WHERE len(passages) > 0)
ORDER BY position, rank
"""


def load(store: Store, run_id: str, path: Path) -> int | None:
    """Bring the samples of a run into the store; how many, or None where they must be read row by row."""
    lines = _plain_lines(path)
    if lines is None:
        return None
    with tempfile.TemporaryDirectory(prefix="harness-ingest-") as spill, duckdb.connect() as reader:
        reader.execute(f"SET memory_limit = '{MEMORY}'; SET temp_directory = '{spill}'")
        try:
            reader.execute(f"CREATE TABLE answers AS {_READ}", [str(path)])
        except duckdb.Error:
            return None
        counts = "SELECT count(*), count(sample_id), count(DISTINCT sample_id) FROM answers"
        if reader.execute(counts).fetchall() != [(lines, lines, lines)]:
            return None
        for table, query in (("samples", _SAMPLES), ("scores", _SCORES), ("retrievals", _RETRIEVALS)):
            incoming = reader.sql(query).to_arrow_reader(10_000)
            store.connection.register("_incoming", incoming)
            store.execute(f"INSERT INTO {table} BY NAME SELECT ? AS run_id, * FROM _incoming", [run_id])
            store.connection.unregister("_incoming")
    return lines


_READ = (
    "SELECT CAST(row_number() OVER () - 1 AS INTEGER) AS position, * FROM read_json(?, "
    "format = 'newline_delimited', columns = {"
    + ", ".join(f"'{name}': '{kind}'" for name, kind in _FIELDS.items())
    + "})"
)


def _plain_lines(path: Path) -> int | None:
    """How many lines a file has that is large enough and in order; else None."""
    if not path.exists() or path.stat().st_size < SMALLEST:
        return None
    lines, tail = 0, b""
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            lines += piece.count(b"\n")
            tail = tail[-8:] + piece
            if any(odd in tail for odd in ODD):
                return None
    return lines if tail.endswith(b"\n") else None

"""Answers whose writer knows all that the store holds of them: they enter it without a look at their lines."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.answer_columns import stamp
from harness.results.database.bulk_queries import Written
from harness.results.database.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

TOGETHER = 122_880
"""Answers that are handed over at a time: as many as DuckDB stores together, so that each of its threads fills its own."""
_ANSWERS = "answers_of_a_writer"
_SAMPLES = f"""
INSERT INTO samples BY NAME
SELECT ? AS run_id, sample_id, position, json_object('prompt', prompt) AS input, to_json(target) AS target,
       CASE WHEN hash = '' THEN json_object('id', id) ELSE json_object('id', id, 'hash', hash) END AS meta,
       [] AS context_ids, [] AS shots, output, 'stop' AS finish_reason, 'valid' AS strict_status,
       'valid' AS extracted_status, to_json(output) AS extracted_value
FROM {_ANSWERS}
"""
_SCORES = f"""
INSERT INTO scores BY NAME
SELECT ? AS run_id, sample_id, ? AS scorer, 'scored' AS status, value FROM {_ANSWERS}
"""


def load(store: Store, run_id: str, lines: Path, written: Written) -> int | None:
    """Bring the samples of a run into the store; how many, or None if their lines must be read."""
    columns, scores = written.columns, written.plain_scores
    if columns is None or scores is None or not columns.is_file() or stamp(lines) != written.stamp:
        return None
    positions = array("i", range(written.count))
    _insert(store, _SAMPLES, [run_id], _batches(columns, "position", "int32", positions))
    for scorer, values in scores.items():
        _insert(store, _SCORES, [run_id, scorer], _batches(columns, "value", "float64", values))
    return written.count


def _insert(store: Store, query: str, parameters: list[object], batches: pa.RecordBatchReader) -> None:
    store.connection.register(_ANSWERS, batches)
    try:
        store.execute(query, parameters)
    finally:
        store.connection.unregister(_ANSWERS)


def _batches(file: Path, name: str, kind: str, values: array[int] | array[float]) -> pa.RecordBatchReader:
    """The answers of a file, TOGETHER at a time, with another column."""
    import pyarrow as pa

    added = pa.field(name, kind)

    def read() -> Iterator[pa.RecordBatch]:
        start = 0
        with pa.OSFile(str(file)) as source:
            for together in _together(pa.ipc.open_stream(source)):
                column = pa.Array.from_buffers(
                    added.type, len(together), [None, pa.py_buffer(values)], offset=start
                )
                start += len(together)
                yield from together.append_column(added, column).to_batches()

    with pa.OSFile(str(file)) as source:
        schema = pa.ipc.open_stream(source).schema.append(added)
    return pa.RecordBatchReader.from_batches(schema, read())


def _together(stream: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Many small batches as tables of one each."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for batch in stream:
        held.append(batch)
        count += len(batch)
        while count >= TOGETHER:
            table = pa.Table.from_batches(held)
            yield table.slice(0, TOGETHER).combine_chunks()
            held = table.slice(TOGETHER).to_batches()
            count -= TOGETHER
    if held:
        yield pa.Table.from_batches(held).combine_chunks()

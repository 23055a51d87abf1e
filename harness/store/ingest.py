"""Run folders → DuckDB. The files are the truth; every table can be made again from them.

runs/<id>/run.json or cell.json      runs, metrics
runs/<id>/samples.jsonl              samples, scores, retrievals
runs/<id>/train_steps.jsonl          train_steps
runs/<id>/benchmarks.jsonl           benchmarks
trials.jsonl, pins.jsonl             trials, pins (one object a line; the last of a name stands)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa

from harness.core.errors import ConfigError
from harness.store import columns
from harness.store.folders import Head, Row, read_head, read_rows, run_folders
from harness.store.store import FILE, Store

OF_A_RUN = ("samples", "scores", "train_steps", "retrievals", "metrics", "benchmarks")
BATCH = 2000
"""Sample lines held in memory at a time."""
JOURNALS = {"trials": ("study", "number"), "pins": ("name",)}
"""Tables whose truth is a file of the results folder, with the columns that name a row."""


@dataclass(frozen=True)
class Ingested:
    """How many runs were read anew, and everything that could not be read."""

    runs: int
    problems: tuple[str, ...]


def ingest_run(results: Path, folder: Path) -> Ingested:
    """Bring one run folder into the store; nothing happens when it is there as it stands on disk.

    Raises:
        ConfigError: the database is locked or damaged.
    """
    with Store.open(results, write=True) as store:
        return _ingest(store, [folder])


def sync(results: Path) -> Ingested:
    """Bring the store in step with the folder: new, changed and removed runs, trials and pins.

    The file is opened for writing only when there is something to write.
    """
    if not results.is_dir():
        return Ingested(0, ())
    folders = run_folders(results)
    with Store.open(results) as store:
        known = {row["id"]: row["source"] for row in store.rows("SELECT id, source FROM runs")}
    heads = [read_head(folder) for folder in folders]
    stale = [head.folder for head in heads if isinstance(head, Head) and known.get(head.id) != head.source]
    gone = set(known) - {head.id for head in heads if isinstance(head, Head)}
    journals = any((results / f"{name}.jsonl").exists() for name in JOURNALS)
    unreadable = tuple(head for head in heads if isinstance(head, str))
    if not (stale or gone or journals):
        return Ingested(0, unreadable)
    with Store.open(results, write=True) as store:
        with store.transaction():
            for run_id in gone:
                _forget(store, run_id)
        done = _ingest(store, stale)
        _journals(store, results)
    return Ingested(done.runs, unreadable + done.problems)


def rebuild(results: Path) -> Ingested:
    """Make the database again from the files, beside the old one, and put it in its place.

    Raises:
        ConfigError: another process holds the old one, or there is no such folder.
    """
    if not results.is_dir():
        raise ConfigError("no such results folder", file=results, remedy="name it with --results")
    path, part = results / FILE, results / f".{FILE}.{os.getpid()}"
    _refuse_locked(results)
    part.unlink(missing_ok=True)
    try:
        store = Store.writable(part)
        with store:
            done = _ingest(store, run_folders(results))
            _journals(store, results)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    path.with_name(f"{FILE}.wal").unlink(missing_ok=True)
    return done


def _refuse_locked(results: Path) -> None:
    """A file that is damaged may be replaced; one that somebody else is using may not."""
    try:
        Store.open(results, write=True).close()
    except ConfigError as error:
        if "locked" in error.message or "written" in error.message:
            raise


def record(results: Path, table: Literal["trials", "pins"], row: Row) -> None:
    """Append a row to `results/<table>.jsonl`, which is its truth, and bring it into the store."""
    with (results / f"{table}.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    with Store.open(results, write=True) as store:
        _journals(store, results)


def _ingest(store: Store, folders: Iterable[Path]) -> Ingested:
    count, problems = 0, []
    for folder in folders:
        head = read_head(folder)
        if isinstance(head, str):
            problems.append(head)
            continue
        found = store.rows("SELECT source FROM runs WHERE id = ?", [head.id])
        if found and found[0]["source"] == head.source:
            continue
        try:
            with store.transaction():
                _replace(store, head)
        except (pa.ArrowException, duckdb.Error, KeyError, TypeError, AttributeError) as error:
            problems.append(
                f"{folder}: not in the layout of a run ({type(error).__name__}: {error}); left out"
            )
            continue
        count += 1
        problems += [f"{head.id}/{problem}" for problem in head.problems]
    return Ingested(count, tuple(problems))


def _replace(store: Store, head: Head) -> None:
    _forget(store, head.id)
    rows = read_rows(head.folder / "samples.jsonl", head.problems)
    n_samples = _insert_samples(store, head, rows)
    steps = read_rows(head.folder / "train_steps.jsonl", head.problems)
    insert(store, "train_steps", ({**row, "run_id": head.id} for row in steps))
    marks = read_rows(head.folder / "benchmarks.jsonl", head.problems)
    insert(store, "benchmarks", ({**row, "run_id": head.id} for row in marks))
    metrics = columns.metric_columns(head.record)
    insert(store, "metrics", ({**row, "run_id": head.id} for row in metrics))
    run = columns.run_columns(head) | {"n_samples": n_samples, "problems": head.problems}
    insert(store, "runs", [run])


def _forget(store: Store, run_id: str) -> None:
    for table in OF_A_RUN:
        store.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
    store.execute("DELETE FROM runs WHERE id = ?", [run_id])


def _insert_samples(store: Store, head: Head, rows: Iterator[Row]) -> int:
    """Samples with their scores and passages, a batch of lines at a time; returns how many."""
    seen: set[str] = set()
    while batch := list(islice(rows, BATCH)):
        fresh = []
        for row in batch:
            if (name := str(row["sample_id"])) in seen:
                head.problems.append(f"samples.jsonl: '{name}' is there twice; the first stands")
            else:
                seen.add(name)
                fresh.append(row)
        start = len(seen) - len(fresh)
        samples = (columns.sample_columns(row, start + i) for i, row in enumerate(fresh))
        insert(store, "samples", ({**row, "run_id": head.id} for row in samples))
        for table, split in (("scores", columns.score_columns), ("retrievals", columns.retrieval_columns)):
            insert(store, table, ({**part, "run_id": head.id} for row in fresh for part in split(row)))
    return len(seen)


def _journals(store: Store, results: Path) -> None:
    for table, names in JOURNALS.items():
        latest: dict[tuple[Any, ...], Row] = {}
        for row in read_rows(results / f"{table}.jsonl", []):
            latest[tuple(row.get(name) for name in names)] = row
        with store.transaction():
            store.execute(f"DELETE FROM {table}")
            insert(store, table, latest.values())


def insert(store: Store, table: str, rows: Iterable[Row]) -> None:
    """Insert dicts through Arrow, in one go; keys that are no column are left out."""
    listed = list(rows)
    if not listed:
        return
    types = {
        row["column_name"]: row["column_type"] for row in store.rows(f"SELECT * FROM (DESCRIBE {table})")
    }
    arrays = {name: _column(name, kind, listed) for name, kind in types.items()}
    store.connection.register("_incoming", pa.table(arrays))
    store.execute(f"INSERT INTO {table} BY NAME SELECT * FROM _incoming")
    store.connection.unregister("_incoming")


def _column(name: str, kind: str, rows: list[Row]) -> pa.Array[Any]:
    values = [row.get(name) for row in rows]
    if kind == "JSON":
        values = [v if v is None or isinstance(v, str) else columns.as_json(v) for v in values]
    return pa.array(values, type=_ARROW[kind], from_pandas=False)


_ARROW = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int64(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()),
    "TIMESTAMP": pa.string(),
}

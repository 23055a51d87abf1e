"""Run folders → DuckDB. The files are the truth; every table can be rebuilt from them.

runs/<id>/run.json or cell.json      runs, metrics
runs/<id>/samples.jsonl              samples, scores, retrievals
runs/<id>/train_steps.jsonl          train_steps
runs/<id>/benchmarks.jsonl           benchmarks, benchmark_samples
benchmarks/<model>/benchmarks.jsonl  the same, of models that belong to no run
trials.jsonl, pins.jsonl             trials, pins (one object per line; the last of a name counts)
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import duckdb

from harness.core.errors import ConfigError
from harness.core.files import append_line
from harness.core.keys import canonical_json
from harness.results.database import benchmarks, bulk, columns
from harness.results.database.bulk_queries import Written
from harness.results.database.loader import Loader
from harness.results.database.store import FILE, Store, hold
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.lines import ODD, records, samples
from harness.results.records.sample import SampleRecord
from harness.results.records.step import TrainStep
from harness.results.run_files import Head, JsonLine, read_head, read_journal

OF_A_RUN = ("samples", "scores", "train_steps", "retrievals", "metrics", *benchmarks.TABLES)
TRANSACTION = 500_000_000
"""Bytes of answers after which a transaction ends."""
JOURNALS = {"trials": ("study", "number"), "pins": ("name",)}
"""Tables whose truth is a file of the results folder, with the columns that name a row."""


@dataclass(frozen=True)
class Ingested:
    """How many runs were read again, and everything that could not be read."""

    runs: int
    problems: tuple[str, ...]


def ingest_run(results: Path, folder: Path) -> Ingested:
    """Bring one run folder into the store; nothing happens if the store already has it as it is on disk.

    Raises:
        ConfigError: the database is locked or damaged.
    """
    with Store.open(results, write=True) as store:
        return _ingest(store, [folder])


def sync(results: Path, written: Mapping[str, Written] | None = None) -> Ingested:
    """Synchronize the store with the folder: new, changed and removed runs, trials and pins.

    The file is opened for writing only when there is something to write.

    Args:
        written: what is known of the answers that this process has just written, by the run's id.
    """
    if not results.is_dir():
        return Ingested(0, ())
    folders = ResultsFolder(results).run_folders()
    with Store.open(results) as store:
        known = {row["id"]: row["source"] for row in store.rows("SELECT id, source FROM runs")}
        models = benchmarks.stale(store, results)
    heads = [read_head(folder) for folder in folders]
    stale = [head.folder for head in heads if isinstance(head, Head) and known.get(head.id) != head.source]
    gone = set(known) - {head.id for head in heads if isinstance(head, Head)}
    journals = any((results / f"{name}.jsonl").exists() for name in JOURNALS)
    unreadable = tuple(head for head in heads if isinstance(head, str))
    if not (stale or gone or journals or models):
        return Ingested(0, unreadable)
    with Store.open(results, write=True) as store:
        with store.transaction():
            for run_id in gone:
                _forget(store, run_id)
        done = _ingest(store, stale, written)
        odd = _journals(store, results)
        poor = _models(store, models)
    return Ingested(done.runs, (*unreadable, *done.problems, *odd, *poor))


def rebuild(results: Path) -> Ingested:
    """Rebuild the database from the files, beside the old one, and then replace that.

    Raises:
        ConfigError: another process holds the old one, or the folder does not exist.
    """
    if not results.is_dir():
        raise ConfigError("no such results folder", file=results, remedy="name it with --results")
    path, part = results / FILE, results / f".{FILE}.{os.getpid()}"
    _refuse_locked(results)
    part.unlink(missing_ok=True)
    try:
        store = Store.writable(part)
        with store:
            done = _ingest(store, ResultsFolder(results).run_folders())
            odd = _journals(store, results)
            poor = _models(store, benchmarks.model_folders(results))
        _replace(part, path)
    finally:
        for made in (part, part.with_name(f"{part.name}.wal"), part.with_name(f".{part.name}.lock")):
            made.unlink(missing_ok=True)
    return Ingested(done.runs, (*done.problems, *odd, *poor))


def _replace(part: Path, path: Path) -> None:
    """Replace the old database with a new one while no process has it open. Its log is removed first: it
    belongs to no other file."""
    held = hold(path, alone=True)
    try:
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
        part.replace(path)
    finally:
        if held is not None:
            held.close()


def _refuse_locked(results: Path) -> None:
    """A file that is damaged may be replaced; one that another process is using may not."""
    try:
        Store.open(results, write=True).close()
    except ConfigError as error:
        if "locked" in error.message or "written" in error.message:
            raise


def record(results: Path, table: Literal["trials", "pins"], row: JsonLine) -> None:
    """Append a row to `results/<table>.jsonl`, which is its truth, and bring it into the store."""
    append_line(results / f"{table}.jsonl", row)
    with Store.open(results, write=True) as store:
        _journals(store, results)


def _ingest(store: Store, folders: Sequence[Path], written: Mapping[str, Written] | None = None) -> Ingested:
    """Bring folders in, many of them in one transaction."""
    return _sum([_together(store, batch, written) for batch in _batches(folders)])


def _batches(folders: Sequence[Path]) -> Iterator[list[Path]]:
    """Folders whose answers together fit in memory, where they stay until their transaction ends."""
    batch: list[Path] = []
    size = 0
    for folder in folders:
        file = RunFolder(folder).samples
        size += file.stat().st_size if file.is_file() else 0
        batch.append(folder)
        if size >= TRANSACTION:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _sum(parts: Sequence[Ingested]) -> Ingested:
    return Ingested(sum(one.runs for one in parts), tuple(text for one in parts for text in one.problems))


def _together(store: Store, folders: Sequence[Path], written: Mapping[str, Written] | None) -> Ingested:
    """All folders in one transaction; if one of them cannot be ingested, each in its own."""
    try:
        with store.transaction():
            return _load(store, folders, written)
    except _not_a_run() as error:
        if len(folders) == 1:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return Ingested(0, (f"{folders[0]}: not in the layout of a run ({reason}); left out",))
    return _sum([_together(store, [folder], written) for folder in folders])


def _not_a_run() -> tuple[type[Exception], ...]:
    """What a folder raises that does not hold a run. Arrow takes 33 MiB, so it is imported when there is a run to load and
    not before the training that makes it."""
    import pyarrow

    return (
        *(pyarrow.ArrowException, duckdb.Error, ConfigError, KeyError, TypeError, AttributeError),
        *(OverflowError, RecursionError, ValueError, OSError),
    )


def _load(store: Store, folders: Sequence[Path], written: Mapping[str, Written] | None) -> Ingested:
    known = {row["id"]: row["source"] for row in store.rows("SELECT id, source FROM runs")}
    count, problems = 0, []
    with bulk.Reader(store) as reader:
        loader = Loader(store, reader, written)
        for folder in folders:
            head = read_head(folder)
            if isinstance(head, str):
                problems.append(head)
            elif known.get(head.id) != head.source:
                if head.id in known:
                    _forget(store, head.id)
                _load_run(loader, head)
                count += 1
                problems += [f"{head.id}/{problem}" for problem in head.problems]
        loader.flush()
    return Ingested(count, tuple(problems))


def _load_run(loader: Loader, head: Head) -> None:
    n_samples = loader.bulk(head)
    if n_samples is None:
        n_samples = _load_samples(loader, head)
    steps = records(RunFolder(head.folder).steps, TrainStep, head.problems)
    loader.add("train_steps", head.id, map(asdict, steps))
    _add_benchmarks(loader, head.id, head.folder, head.problems)
    loader.add("metrics", head.id, columns.metric_columns(head.record))
    run = {**columns.run_columns(head), "n_samples": n_samples, "problems": head.problems}
    loader.add("runs", head.id, [run])


def _load_samples(loader: Loader, head: Head) -> int:
    n_samples = 0
    rows = samples(RunFolder(head.folder).samples, head.problems)
    if odd := next((problem for problem in head.problems if ODD in problem), None):
        raise TypeError(odd)
    for row in _once(rows, head.problems):
        loader.add("samples", head.id, [columns.sample_columns(row, n_samples)])
        loader.add("scores", head.id, columns.score_columns(row))
        loader.add("retrievals", head.id, columns.retrieval_columns(row))
        n_samples += 1
    return n_samples


def _add_benchmarks(loader: Loader, run_id: str | None, folder: Path, problems: list[str]) -> None:
    measured = benchmarks.rows(folder, problems)
    loader.add("benchmarks", run_id, [row.raw for row in measured])
    loader.add("benchmark_samples", run_id, benchmarks.sample_rows(folder, measured))


def _models(store: Store, folders: Sequence[Path]) -> tuple[str, ...]:
    """Ingest the benchmarks of all models that belong to no run again; nothing if there are no folders. One
    that cannot be ingested is skipped and named in the return value."""
    if not folders:
        return ()
    problems = []
    with store.transaction():
        benchmarks.forget(store)
    for folder in folders:
        try:
            with store.transaction():
                loader = Loader(store)
                _add_benchmarks(loader, None, folder, [])
                loader.add(
                    "benchmark_folders", None, [{"folder": folder.name, "source": benchmarks.source(folder)}]
                )
                loader.flush()
        except _not_a_run() as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            problems.append(f"{folder}: not readable as benchmarks ({reason}); left out")
    return tuple(problems)


def _once(rows: Iterable[SampleRecord], problems: list[str]) -> Iterator[SampleRecord]:
    ids: set[str] = set()
    for row in rows:
        if row.sample_id in ids:
            problems.append(f"samples.jsonl: '{row.sample_id}' is there twice; the first stands")
        else:
            ids.add(row.sample_id)
            yield row


def _forget(store: Store, run_id: str) -> None:
    for table in OF_A_RUN:
        store.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id])
    store.execute("DELETE FROM runs WHERE id = ?", [run_id])


def _journals(store: Store, results: Path) -> tuple[str, ...]:
    """Replace the tables of journals by the files' contents; return what could not be read."""
    problems: list[str] = []
    for table, names in JOURNALS.items():
        latest: dict[str, JsonLine] = {}
        for row in read_journal(results / f"{table}.jsonl", problems):
            latest[canonical_json([row.get(name) for name in names])] = row
        with store.transaction():
            store.execute(f"DELETE FROM {table}")
        _append(store, table, list(latest.values()))
    return tuple(problems)


def _append(store: Store, table: str, rows: Sequence[JsonLine]) -> None:
    """All rows at once; if one of them cannot be inserted, the others still are."""
    if not rows:
        return
    try:
        with store.transaction():
            loader = Loader(store)
            for row in rows:
                loader.add(table, row.get("run_id"), [row])
            loader.flush()
    except _not_a_run():
        for row in rows if len(rows) > 1 else ():
            _append(store, table, [row])

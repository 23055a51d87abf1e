"""Run folders → DuckDB. A run is ingested whole, in one transaction, and again if it changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from harness.store.store import opened, replace_file

BATCH = 5000
"""Sample rows held in memory at a time."""
TABLES = ("samples", "scores", "retrievals", "train_steps")


def ingest_run(results: Path, folder: Path) -> None:
    """Bring one run folder into the index of `results`."""
    with opened(results, write=True) as connection:
        ingest(connection, folder)


def rebuild(results: Path) -> tuple[int, list[str]]:
    """Make the index again from the run folders.

    Returns:
        How many runs were ingested, and a line for each folder that could not be.
    """
    replace_file(results)
    count, problems = 0, []
    with opened(results, write=True) as connection:
        for folder in sorted((results / "runs").glob("*/")):
            try:
                ingest(connection, folder)
                count += 1
            except (OSError, ValueError, KeyError) as error:
                problems.append(f"{folder}: left out, {type(error).__name__}: {error}")
    return count, problems


def ingest(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Replace what the index holds of one run.

    Raises:
        ValueError: `cell.json` or a line of the samples is not JSON.
    """
    record = _record(folder)
    connection.begin()
    try:
        for table, column in (("runs", "id"), *((table, "run_id") for table in TABLES)):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [record["id"]])
        _insert(connection, "runs", [run_row(record)])
        for part in _batches(_lines(folder / "samples.jsonl")):
            _insert(connection, "samples", [_sample(record["id"], row) for row in part])
            _insert(connection, "scores", [{"run_id": record["id"], **_score(row, s)} for row in part for s in row["scores"]])
            _insert(connection, "retrievals", [found for row in part for found in _retrievals(record["id"], row)])
        for part in _batches(_lines(folder / "train_steps.jsonl")):
            _insert(connection, "train_steps", [{"run_id": record["id"], **row} for row in part])
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _record(folder: Path) -> dict[str, Any]:
    finished = folder / "run.json"
    if finished.exists():
        return json.loads(finished.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
    cell = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
    return cell | {"status": "partial"}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as stream:
            for line in stream:
                if line.endswith("\n"):
                    yield json.loads(line)


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for row in rows:
        part.append(row)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows by name; columns that a table does not have are left out."""
    if not rows:
        return
    known = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    names = [name for name in known if name in rows[0]]
    batch = pa.table({name: [row.get(name) for row in rows] for name in names})
    connection.register("batch", batch)
    listed = ", ".join(names)
    connection.execute(f"INSERT INTO {table} ({listed}) SELECT {listed} FROM batch")
    connection.unregister("batch")


def run_row(record: dict[str, Any]) -> dict[str, Any]:
    """A run's record as one flat row of `runs`."""
    task, train, answer = record["task"], record.get("train") or {}, record.get("answer") or {}
    counts, git = record.get("counts") or {}, record.get("git") or {}
    same = ("id", "key", "status", "seed", "split", "labels", "started_at", "finished_at", "seconds", "error", "command")
    return {
        **{name: record.get(name) for name in (*same, "peak_memory_bytes", "peak_device_bytes")},
        "experiment": record.get("experiment"),
        "task": task["name"],
        "task_version": task["version"],
        "data_hash": task["data_hash"],
        "primary_scorer": task["primary"],
        "margin": float(task["margin"]),
        "recipe": record["recipe"]["name"],
        "recipe_config": _json(record["recipe"]),
        "model": record["model"]["spec"],
        "model_fingerprint": record["model"]["fingerprint"],
        "limit_n": record.get("limit"),
        "train_seconds": train.get("seconds"),
        "train_steps": train.get("steps"),
        "train_tokens": train.get("tokens"),
        "bytes_to_ship": train.get("bytes"),
        **{name: train.get(name) for name in ("trainable_parameters", "total_parameters", "best_dev_score")},
        "answer_seconds": answer.get("seconds"),
        **{n: answer.get(n) for n in ("tokens_in_mean", "tokens_out_mean", "latency_p50", "latency_p95", "throughput")},
        **{f"n_{name}": counts.get(name) for name in ("scored", "invalid", "error", "truncated")},
        "git_sha": git.get("sha"),
        "git_dirty": git.get("dirty"),
        **{name: _json(record.get(name)) for name in ("versions", "machine", "metrics", "parity")},
    }


def _sample(run: str, row: dict[str, Any]) -> dict[str, Any]:
    same = ("sample_id", "prompt", "output", "tokens_in", "tokens_out", "seconds", "finish_reason", "cached", "error")
    read = {
        f"{how}_{part}": row[how].get(part) for how in ("strict", "extracted") for part in ("status", "reason", "path")
    }
    return {
        "run_id": run,
        **{name: row[name] for name in (*same, "shots", "failure")},
        **{name: _json(row[name]) for name in ("input", "target", "meta")},
        "example_group": row["group"],
        **read,
        "value": _json(row["extracted"].get("value")),
    }


def _score(row: dict[str, Any], score: dict[str, Any]) -> dict[str, Any]:
    return {"sample_id": row["sample_id"], **score}


def _retrievals(run: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for rank, passage in enumerate(row["passages"], start=1):
        gold = passage["document"] in row["context_ids"] if row["context_ids"] else None
        found = {name: passage[name] for name in ("document", "title", "score")}
        yield {"run_id": run, "sample_id": row["sample_id"], "rank": rank, **found, "gold": gold}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)

"""Benchmark results as they lie on disk, for whoever reads them; `harness.benchmarks` writes them.

    <folder>/benchmarks.jsonl                              one line per task and metric
    <folder>/benchmarks/<evaluation>/samples_<task>.jsonl  one line per document, as lm-eval writes them

`<folder>` is a run's, or `results/benchmarks/<model>/` for a model that belongs to no run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from harness.core.keys import digest
from harness.results.database.store import Store
from harness.results.run_files import Row, read_rows

FOLDER = "benchmarks"
"""Of a results folder: untrained models. Of such a model's folder, and of a run's: evaluations."""
FILE = "benchmarks.jsonl"
TABLES = ("benchmarks", "benchmark_samples")


def rows(folder: Path, problems: list[str]) -> list[Row]:
    """What was measured, oldest first; of one measured twice in the same way, the last."""
    found = (row for row in read_rows(folder / FILE, problems) if "task" in row and "metric" in row)
    return list({(row.get("key"), row["task"], row["metric"]): row for row in found}.values())


def values(folder: Path, row: Mapping[str, Any]) -> dict[str, float]:
    """Per document, the value of a row's metric; documents are named by number and content.

    Empty where there are no samples, and for metrics that are no number per document.
    """
    metric, _, kept = str(row["metric"]).partition(",")
    file = samples_file(place_of(folder, row), str(row["task"]))
    found = (s for s in read_rows(file, []) if s.get("filter", "none") == (kept or "none"))
    return {
        f"{sample['doc_id']}:{sample.get('doc_hash', '')[:12]}": float(sample[metric])
        for sample in found
        if is_number(sample.get(metric))
    }


def place_of(folder: Path, row: Mapping[str, Any]) -> Path:
    """The folder of the evaluation that a row belongs to."""
    return folder / FOLDER / str(row.get("folder", ""))


def samples_file(place: Path, task: str) -> Path:
    return place / f"samples_{task.replace('/', '__')}.jsonl"


def sample_rows(folder: Path, measured: Sequence[Row]) -> Iterator[Row]:
    """The rows of `benchmark_samples`."""
    for row in measured:
        for document, value in values(folder, row).items():
            yield {name: row.get(name) for name in ("model", "task", "metric", "key")} | {
                "document": document,
                "value": value,
            }


def model_folders(results: Path) -> list[Path]:
    """Folders of models that belong to no run, by name."""
    return sorted(file.parent for file in (results / FOLDER).glob(f"*/{FILE}"))


def source(folder: Path) -> str:
    """Changes when something was measured: tells whether the store is up to date."""
    state = (folder / FILE).stat()
    return digest([state.st_size, state.st_mtime_ns])


def stale(store: Store, results: Path) -> list[Path]:
    """Folders of models that the store does not have as they are; empty where none changed."""
    known = {row["folder"]: row["source"] for row in store.rows("SELECT * FROM benchmark_folders")}
    folders = model_folders(results)
    changed = any(known.get(folder.name) != source(folder) for folder in folders)
    return folders if changed or len(known) > len(folders) else []


def forget(store: Store) -> None:
    """Drop what belongs to no run."""
    for table in TABLES:
        store.execute(f"DELETE FROM {table} WHERE run_id IS NULL")
    store.execute("DELETE FROM benchmark_folders")


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)

"""Benchmark results as they are on disk, for all readers; `harness.benchmarks` writes them.

    <folder>/benchmarks.jsonl                              one line per task and metric
    <folder>/benchmarks/<evaluation>/samples_<task>.jsonl  one line per document, as lm-eval writes them

`<folder>` is a run's, or `results/benchmarks/<model>/` for a model that belongs to no run.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from harness.core.keys import digest
from harness.imports.content import Namer
from harness.imports.lm_eval_lines import line_of, sample_of
from harness.imports.scores import number
from harness.results.database.store import Store
from harness.results.folder import ResultsFolder
from harness.results.lines import reason
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine, read_rows

FOLDER = "benchmarks"
"""In a results folder: untrained models. In such a model's folder, and in a run's: evaluations."""
FILE = "benchmarks.jsonl"
TABLES = ("benchmarks", "benchmark_samples")


def rows(folder: Path, problems: list[str]) -> list[BenchmarkRecord]:
    """What was measured, oldest first; the last one of those measured twice in the same way."""
    latest: dict[tuple[str | None, str, str], BenchmarkRecord] = {}
    for line in read_rows(folder / FILE, problems):
        if "task" not in line or "metric" not in line:
            continue
        try:
            row = BenchmarkRecord.of(line)
        except ValueError as error:
            problems.append(f"{FILE}: {reason(error)}; skipped")
            continue
        latest[(row.key, row.task, row.metric)] = row
    return list(latest.values())


def values(folder: Path, row: BenchmarkRecord) -> dict[str, float]:
    """Per document, the value of a row's metric. A document is named by its prompt and target (`imports.content`), so
    that with another order of documents or columns, or another template, only documents with the same prompt
    are paired. A document whose line holds no prompt, hash or id is paired with none.

    Empty if there are no samples, for metrics that are not a number per document, and if the numbers do not
    average to the row's value: those are something else, such as log-likelihoods behind a perplexity.
    """
    metric, _, kept = row.metric.partition(",")
    namer = Namer(log=f"{folder.name}/{row.folder}")
    known: dict[str, float] = {}
    for line in read_rows(samples_file(place_of(folder, row), row.task), []):
        if line.get("filter", "none") != (kept or "none"):
            continue
        name, value = namer.name(sample_of(line_of(line), {})), number(line.get(metric))
        if value is not None:
            known[name] = value
    return known if _averages_to(known.values(), row.value) else {}


def _averages_to(numbers: Collection[float], value: float | None) -> bool:
    if value is None or not numbers:
        return True
    return math.isclose(sum(numbers) / len(numbers), value, rel_tol=1e-6, abs_tol=1e-6)


def place_of(folder: Path, row: BenchmarkRecord) -> Path:
    """The folder of the evaluation that a row belongs to; a name that leads out of it names no evaluation."""
    return folder / FOLDER / (row.folder if Path(row.folder).name == row.folder else "")


def samples_file(folder: Path, task: str) -> Path:
    return folder / f"samples_{task.replace('/', '__')}.jsonl"


def sample_rows(folder: Path, measured: Sequence[BenchmarkRecord]) -> Iterator[JsonLine]:
    """The rows of `benchmark_samples`."""
    for row in measured:
        about = {"model": row.model, "task": row.task, "metric": row.metric, "key": row.key}
        for document, value in values(folder, row).items():
            yield about | {"document": document, "value": value}


def model_folders(results: Path) -> list[Path]:
    """Folders of models that belong to no run, by name."""
    return sorted(file.parent for file in ResultsFolder(results).benchmarks.glob(f"*/{FILE}"))


def source(folder: Path) -> str:
    """Changes when something was measured: tells whether the store is up to date."""
    state = (folder / FILE).stat()
    return digest([state.st_size, state.st_mtime_ns])


def stale(store: Store, results: Path) -> list[Path]:
    """Folders of models whose current state is not in the store; empty if none changed."""
    known = {row["folder"]: row["source"] for row in store.rows("SELECT * FROM benchmark_folders")}
    folders = model_folders(results)
    changed = any(known.get(folder.name) != source(folder) for folder in folders)
    return folders if changed or len(known) > len(folders) else []


def forget(store: Store) -> None:
    """Drop the rows that belong to no run."""
    for table in TABLES:
        store.execute(f"DELETE FROM {table} WHERE run_id IS NULL")
    store.execute("DELETE FROM benchmark_folders")

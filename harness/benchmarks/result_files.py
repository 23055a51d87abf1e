"""Benchmark results on disk, in the folder of a run or of an untrained model.

    benchmarks.jsonl                       one line per task and metric: the rows of table `benchmarks`
    benchmarks/<name>-<key>/results.json   lm-eval's results, as lm-eval writes them
    benchmarks/<name>-<key>/samples_<task>.jsonl   lm-eval's samples, as lm-eval writes them

Lines are only ever appended; for the same task and metric the last line counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.files import append_lines
from harness.core.secrets import masked
from harness.imports import lm_eval_files
from harness.imports.json_files import mapping
from harness.imports.lm_eval_types import Output
from harness.results.database import benchmarks
from harness.results.database.benchmarks import samples_file
from harness.results.records.benchmark import BenchmarkRecord
from harness.results.run_files import JsonLine


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a benchmark, part of its results' key."""

    limit: int | None = None
    num_fewshot: int | None = None
    chat_template: bool = False


def rows_of(results: Output, common: Mapping[str, object]) -> list[BenchmarkRecord]:
    """A row for every task and metric of lm-eval's results; `common` goes into each."""
    rows = []
    for task, reported in results["results"].items():
        sizes = mapping(mapping(results.get("n-samples")).get(task))
        for metric, kept, value, stderr in lm_eval_files.metrics(results, task):
            line = {
                **common,
                "task": task,
                "metric": lm_eval_files.metric_name(metric, kept),
                "value": value,
                "stderr": stderr,
                "n": _whole(reported.get("sample_len")) or _whole(sizes.get("effective")),
                "num_fewshot": _whole(mapping(results.get("n-shot")).get(task)),
                "higher_is_better": lm_eval_files.higher_is_better(results, task, metric),
                "task_version": _text(mapping(results.get("versions")).get(task)),
            }
            rows.append(BenchmarkRecord.of(line))
    return rows


def save(
    folder: Path,
    key: str,
    name: str,
    results: Mapping[str, object],
    samples: Mapping[str, Iterable[JsonLine]],
) -> Path:
    """Write one evaluation's results and samples, and return its folder. `samples` are by task, as in
    lm-eval's files."""
    target = folder / benchmarks.FOLDER / f"{name}-{key[:12]}"
    target.mkdir(parents=True, exist_ok=True)
    for task, rows in samples.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        samples_file(target, task).write_text(masked(text), encoding="utf-8", errors="backslashreplace")
    dumped = json.dumps(results, indent=1, ensure_ascii=False)
    (target / "results.json").write_text(masked(dumped), encoding="utf-8", errors="backslashreplace")
    return target


def append(folder: Path, rows: Iterable[BenchmarkRecord]) -> None:
    """Append the rows, after everything else is on disk."""
    append_lines(folder / benchmarks.FILE, [row.to_json() for row in rows])


def read(folder: Path) -> list[BenchmarkRecord]:
    """All rows of a folder, oldest first; none if nothing was measured."""
    return benchmarks.rows(folder, [])


def known(folder: Path, key: str) -> list[BenchmarkRecord]:
    """The rows of the evaluation with this key."""
    return [row for row in read(folder) if row.key == key]


def latest(rows: Iterable[BenchmarkRecord]) -> dict[tuple[str, str], BenchmarkRecord]:
    """The current row of every task and metric."""
    return {(row.task, row.metric): row for row in rows}


def _whole(value: object) -> int | None:
    """A count from a foreign file; None if the value is something else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    return int(value) if is_count and isinstance(value, int) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)

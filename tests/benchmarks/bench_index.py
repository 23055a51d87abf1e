"""How long `harness db rebuild` takes beside DuckDB alone that puts the same files into a table, whatever the
answers say. CPU seconds of this process, the least of three, so that other work on the machine counts little.

HARNESS_BENCH_ROWS sets another number of rows.
"""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from harness.results.database import bulk_queries
from harness.results.database.ingest import rebuild

pytestmark = pytest.mark.benchmark

ROWS = int(os.environ.get("HARNESS_BENCH_ROWS", "200000"))
RUNS = 20
MOST = 2.0
ANSWERS = {"plain": "red", "NaN": "NaN and -Infinity", "half a character": "red \ud800"}


def _write(results: Path, word: str) -> None:
    parse = {"status": "valid", "reason": "", "path": ""}
    for number in range(RUNS):
        folder = results / "runs" / f"run-{number:03d}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"id": folder.name, "status": "done"}))
        with (folder / "samples.jsonl").open("w", encoding="utf-8", errors="backslashreplace") as stream:
            for i in range(ROWS // RUNS):
                text = word if i % 100 == 0 else "red"
                row = {
                    "sample_id": f"s{i}",
                    "input": {"input": f"what colour is thing {i}? " * 6},
                    "target": "red",
                    "meta": {},
                    "prompt": "Say the colour of the thing. " * 18 + str(i),
                    "output": text,
                    "tokens_in": 120,
                    "tokens_out": 4,
                    "seconds": 0.01,
                    "finish_reason": "stop",
                    "cached": False,
                    "strict": parse,
                    "extracted": parse | {"value": text},
                    "scores": [
                        {
                            "scorer": "exact",
                            "status": "scored",
                            "value": float(i % 3 > 0),
                            "reason": "",
                            "version": 1,
                        }
                    ],
                }
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _alone(results: Path) -> None:
    """DuckDB alone; it refuses half characters, so it reads the plain ones."""
    file = results / "alone.duckdb"
    file.unlink(missing_ok=True)
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in bulk_queries.FIELDS.items())
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            f"CREATE TABLE a AS SELECT * FROM read_json('{results}/runs/*/samples.jsonl', "
            f"format = 'newline_delimited', columns = {{{columns}}})"
        )


def _cpu(work: Callable[[], object]) -> float:
    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    before = spent()
    work()
    return spent() - before


def test_rebuilding_takes_at_most_twice_as_long_as_duckdb_alone_whatever_the_answers_say(
    tmp_path: Path,
) -> None:
    for name, word in ANSWERS.items():
        _write(tmp_path / name, word)
    names = tuple(ANSWERS)
    # In turns, so that other work on the machine slows both sides alike.
    turns = [
        [_cpu(lambda: _alone(tmp_path / "plain"))]
        + [_cpu(lambda name=name: rebuild(tmp_path / name)) for name in names]
        for _ in range(3)
    ]
    alone, *rebuilt = (min(seconds) for seconds in zip(*turns, strict=True))
    for name, seconds in zip(names, rebuilt, strict=True):
        print(f"{name}: {seconds:.2f} s of CPU, {seconds / alone:.2f} times DuckDB alone ({alone:.2f} s)")
        assert seconds <= MOST * alone

"""A million answers: how fast they are ingested, how large, how fast questions are, beside plain Parquet.

HARNESS_BENCH_SAMPLES sets another number of samples. Prints; docs/scale.md has what was measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.results.database.ingest import rebuild
from harness.results.database.store import FILE, Store

pytestmark = pytest.mark.benchmark

SAMPLES = int(os.environ.get("HARNESS_BENCH_SAMPLES", "1000000"))
RUNS = 100
FLIPS = """
SELECT count(*) AS flipped FROM scores a JOIN scores b USING (sample_id, scorer)
WHERE a.run_id = ? AND b.run_id = ? AND a.value <> b.value
"""
REPORT = """
import resource, sys
from pathlib import Path
from harness.report.build import build
from harness.run import evidence
results, ids = Path(sys.argv[1]), sys.argv[2:]
build(results, results / "r.html", run_ids=ids, title="bench",
      verdicts=tuple(evidence.verdicts([results / "runs" / name for name in ids])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""


def _write(results: Path) -> list[str]:
    """RUNS runs of one task, each with its share of the samples, as the runner writes them."""
    from tests.report_data import make

    make(results / "model")
    source = next(p for p in sorted((results / "model" / "runs").iterdir()) if "zero_shot" in p.name)
    record = json.loads((source / "run.json").read_text())
    row = json.loads((source / "samples.jsonl").read_text().splitlines()[0])
    names = []
    for number in range(RUNS):
        name = f"run-{number:03d}"
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        record["recipe"]["name"] = f"recipe-{number}"
        (folder / "run.json").write_text(json.dumps(record | {"id": name, "key": name}))
        with (folder / "samples.jsonl").open("w") as stream:
            for i in range(SAMPLES // RUNS):
                value = float((i * 7919 + number * 104729) % 3 > 0)
                scores = [score | {"value": value} for score in row["scores"]]
                stream.write(
                    json.dumps(row | {"sample_id": f"s{i}", "output": f"answer {i % 977}", "scores": scores})
                )
                stream.write("\n")
        names.append(name)
    return names


def _seconds(store: Store, query: str, parameters: list[str] | None = None) -> float:
    clock = time.monotonic()
    assert store.rows(query, parameters)
    return time.monotonic() - clock


def test_a_million_samples(tmp_path: Path) -> None:
    results = tmp_path / "results"
    names = _write(results)
    size = sum(path.stat().st_size for path in (results / "runs").rglob("*.jsonl"))
    clock = time.monotonic()
    done = rebuild(results)
    seconds = time.monotonic() - clock
    assert done.runs == RUNS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\n{SAMPLES:,} samples in {RUNS} runs, JSONL {size / 1e6:.0f} MB")
    print(f"ingest {seconds:.0f} s = {SAMPLES / seconds:,.0f} samples/s, peak {peak:.2f} GiB")
    print(f"index on disk {(results / FILE).stat().st_size / 1e6:.0f} MB")
    with Store.open(results) as store:
        for name, query, parameters in (
            ("leaderboard", "SELECT * FROM leaderboard", None),
            ("flips", FLIPS, names[:2]),
        ):
            print(
                f"{name} {_seconds(store, query, parameters):.3f} s, again {_seconds(store, query, parameters):.3f} s"
            )
        parquet = tmp_path / "scores.parquet"
        clock = time.monotonic()
        for table in ("samples", "scores"):
            store.execute(f"COPY {table} TO '{tmp_path / table}.parquet' (FORMAT parquet)")
        print(
            f"Parquet written in {time.monotonic() - clock:.1f} s, "
            f"{sum(p.stat().st_size for p in tmp_path.glob('*.parquet')) / 1e6:.0f} MB"
        )
        over = FLIPS.replace("scores a", f"'{parquet}' a").replace("scores b", f"'{parquet}' b")
        print(f"flips over Parquet {_seconds(store, over, names[:2]):.3f} s")
        board = f"SELECT run_id, scorer, avg(value), count(*) FROM '{parquet}' GROUP BY ALL"
        print(f"leaderboard over Parquet {_seconds(store, board):.3f} s")
    clock = time.monotonic()
    command = [sys.executable, "-c", REPORT, str(results), *names[:6]]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = (results / "r.html").stat().st_size / 1e6
    print(f"report of 6 runs ({6 * SAMPLES // RUNS:,} samples) {time.monotonic() - clock:.1f} s, "
          f"peak {float(output):.2f} GiB, page {page:.1f} MB")  # fmt: skip

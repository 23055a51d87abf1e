"""A million samples of lm-eval's logs into the store, beside DuckDB reading the same files and nothing more.

Both may use every core: DuckDB with its threads, an import with a process per log and DuckDB's threads. So the ratio in
time is what a user waits, and the ratio in CPU, which counts those processes too, is what it costs; on a busy machine
only the latter means anything. HARNESS_BENCH_SAMPLES sets another number of samples. Prints; docs/imports.md has what
was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.benchmark

SAMPLES = int(os.environ.get("HARNESS_BENCH_SAMPLES", "1000000"))
LOGS = 2
TURNS = 2
"""How often each is measured, one after the other: what else the machine does then hits both."""
DATE = "2026-01-02T03-04-05.000006"
IMPORT = """
import json, resource, sys, time
from pathlib import Path
from harness.workflows.import_logs import from_options
from harness.workflows.options.import_logs import ImportOptions
clock = time.monotonic()
done = from_options(ImportOptions(files=sys.argv[2:], results=sys.argv[1], verdict=False))
seconds = time.monotonic() - clock
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in used)
peak = sum(one.ru_maxrss for one in used) / 1024**2
print(json.dumps([seconds, cpu, peak, [pairing.paired for pairing in done.pairings]]))
"""
READ = """
import json, resource, sys, time, duckdb
clock = time.monotonic()
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE logs AS SELECT * FROM read_json(?, format = 'newline_delimited')", [sys.argv[2:]])
seconds = time.monotonic() - clock
print(json.dumps([seconds, sum(resource.getrusage(resource.RUSAGE_SELF)[:2])]))
"""


def _write(folder: Path) -> list[Path]:
    """LOGS logs of one task, each with its share of the samples."""
    files = []
    for number in range(LOGS):
        own = folder / f"model-{number}"
        own.mkdir()
        right = 0
        with (own / f"samples_sums_{DATE}.jsonl").open("w") as stream:
            for i in range(SAMPLES // LOGS):
                value = float((i * 7919 + number * 104729) % 3 > 0)
                right += int(value)
                line = {
                    "doc_id": i,
                    "doc": {
                        "question": f"Tray {i} holds {i % 97} cups and 3 more. How many cups?",
                        "n": i % 97 + 3,
                    },
                    "target": str(i % 97 + 3),
                    "arguments": {
                        "gen_args_0": {
                            "arg_0": f"Question: Tray {i} holds {i % 97} cups and 3 more. How many cups?\nAnswer:",
                            "arg_1": {"until": ["\n"], "max_gen_toks": 16, "do_sample": False},
                        }
                    },
                    "resps": [[f" {i % 97} + 3 = {i % 97 + 3}"]],
                    "filtered_resps": [f"{i % 97 + 3}"],
                    "filter": "none",
                    "metrics": ["exact_match"],
                    "doc_hash": f"{i:064x}",
                    "prompt_hash": f"{i:064x}",
                    "target_hash": f"{i % 97:064x}",
                    "exact_match": value,
                }
                stream.write(json.dumps(line) + "\n")
        results = {
            "results": {"sums": {"alias": "sums", "exact_match,none": right / (SAMPLES // LOGS)}},
            "model_name": f"model-{number}",
            "versions": {"sums": 1.0},
        }
        (own / f"results_{DATE}.json").write_text(json.dumps(results))
        files.append(own)
    return files


def _run(code: str, *arguments: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def test_a_million_samples_beside_duckdb_alone(tmp_path: Path) -> None:
    folders = _write(tmp_path)
    logs = [str(next(folder.glob("samples_*"))) for folder in folders]
    size = sum(Path(log).stat().st_size for log in logs)
    for turn in range(TURNS):
        alone, alone_cpu = _run(READ, str(tmp_path / f"alone-{turn}.duckdb"), *logs)
        results = tmp_path / f"results-{turn}"
        ours, cpu, peak, paired = _run(IMPORT, str(results), *map(str, folders))
        print(
            f"\n{SAMPLES:,} samples, {size / 1e6:.0f} MB, {os.cpu_count()} cores: imported in {ours:.1f} s "
            f"({cpu:.1f} s of CPU, {peak:.2f} GiB), DuckDB alone {alone:.1f} s ({alone_cpu:.1f} s of CPU): "
            f"{ours / alone:.1f} x in time, {cpu / alone_cpu:.1f} x in CPU"
        )
        assert paired == [SAMPLES // LOGS]
        with duckdb.connect(str(results / "harness.duckdb"), read_only=True) as store:
            assert store.execute("SELECT count(*) FROM samples").fetchall() == [(SAMPLES,)]

"""Sample lines read as records, beside the same lines read as plain dicts by `json`: seconds of one core, as a ratio.

HARNESS_BENCH_SAMPLES sets another number than a million. Prints; docs/performance.md has what was measured.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness.results import lines
from harness.results.records.sample import SampleRecord

pytestmark = pytest.mark.benchmark

SAMPLES = int(os.environ.get("HARNESS_BENCH_SAMPLES", "1000000"))
PIECE = 100_000
"""Lines of one file: all of them as dicts would not fit many machines."""


def _seconds(read: Callable[[], Iterable[object]]) -> float:
    clock = time.process_time()
    for _ in read():
        pass
    return time.process_time() - clock


def test_reading_records_and_reading_dicts(tmp_path: Path) -> None:
    from tests.report_data import make

    make(tmp_path / "model")
    source = next(
        p for p in sorted((tmp_path / "model" / "runs").iterdir()) if "support_tickets-lora" in p.name
    )
    rows = (source / "samples.jsonl").read_text().splitlines()
    file = tmp_path / "samples.jsonl"
    count = min(PIECE, SAMPLES)
    file.write_text("".join(rows[i % len(rows)] + "\n" for i in range(count)))
    records = dicts = 0.0
    for _ in range(max(SAMPLES // count, 1)):
        records += _seconds(lambda: lines.records(file, SampleRecord, []))
        with file.open("rb") as stream:
            dicts += _seconds(lambda: map(json.loads, stream))
    print(f"\n{SAMPLES:,} answers: records {records:.1f} s, dicts {dicts:.1f} s, ratio {records / dicts:.2f}")

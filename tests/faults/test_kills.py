"""The kills that `make faults` counts: one round of each cheap command, and the page that they are counted on."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.faults import kills

ROOT = Path(__file__).parents[2]
ROUNDS = """
import sys
from pathlib import Path
from tests.faults import kills
kills.imported()
bench = kills.Bench(Path(sys.argv[1]), seed=1)
for job in kills.JOBS:
    if job.name in ("pin", "gate"):
        bench.round(job)
print(bench.kills.total())
"""


def test_commands_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    """In a process of its own, which has no threads: it forks."""
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout.split()[-1]) <= 6


def test_kills_are_added_up_on_the_page() -> None:
    text = kills.written(Counter(run=1200, pin=3), Counter(run=600))
    tried, at_a_write = kills.table_of(text)
    assert (tried["run"], tried["pin"], at_a_write["run"]) == (1200, 3, 600)
    assert "| all | 1,203 | 600 | nothing |" in text
    assert kills.BEGIN in kills.PAGE.read_text(encoding="utf-8")

"""How long `harness run demo.yaml` takes, now and at an earlier commit, each with its own demo.yaml.

The same machine, one after another, each in a process of its own with empty results. Run by `make bench`, or
`pytest -s tests/benchmarks/bench_demo_before.py`. `HARNESS_BENCH_BEFORE` (efe6d46) names the commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks.earlier_commit import BEFORE, ROOT, worktree

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

AT_MOST = 0.40
"""Share of the earlier commit's time."""


@dataclass(frozen=True)
class Demo:
    """Wall seconds, and what the verdict says to do."""

    seconds: float
    choice: str


def test_the_demo_is_shorter_and_decides_the_same(tmp_path: Path) -> None:
    with worktree(tmp_path / "before") as tree:
        before = timed(tree, tmp_path / "then")
    now = timed(ROOT, tmp_path / "now")
    print(
        f"\ndemo: {before.seconds:.0f} s at {BEFORE}, {now.seconds:.0f} s now: "
        f"{now.seconds / before.seconds:.2f} ×; verdicts {before.choice}, {now.choice}"
    )
    assert now.choice == before.choice
    assert now.seconds <= AT_MOST * before.seconds


def timed(tree: Path, folder: Path) -> Demo:
    """Run the demo of a tree and read the verdict over families."""
    folder.mkdir()
    command = [sys.executable, "-m", "harness", "run", "demo.yaml", "--results", str(folder / "results")]
    command += ["--report", str(folder / "demo.html"), "--json", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    done = subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - began
    verdict = json.loads(done.stdout)["verdict"]
    return Demo(seconds=seconds, choice=choice(verdict))


def choice(verdict: dict[str, object]) -> str:
    """The verdict's first word: Prompt, Retrieve, Finetune, or that it is open."""
    return str(verdict["sentence"]).partition(".")[0]

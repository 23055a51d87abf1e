"""How long `harness run demo.yaml` takes, and its first line of a verdict, now and at an earlier commit, each with its
own demo.yaml.

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
FIRST_VERDICT = 60.0
"""Seconds until the first line of a verdict, on an idle machine of two cores."""
DECIDED = (0, 3)
"""Exit codes with a verdict: 3 if a cell failed. At efe6d46, on a processor that computes bfloat16, QLoRA is refused by
its own parity gate and never asked."""
FAMILIES = {
    "full": "finetune",
    "lora": "finetune",
    "qlora": "finetune",
    "bm25_rag": "retrieve",
} | dict.fromkeys(("zero_shot", "few_shot"), "prompt")
"""What the demo's recipes do."""
FOR_NOW = " for now"
"""How the name of a recipe ends that may not be the best."""
SO_FAR = "verdict so far ("
"""How that line begins."""


@dataclass(frozen=True)
class Demo:
    """Wall seconds of all of it and until the first line of a verdict, and what the last one says to do."""

    seconds: float
    first_verdict: float
    choice: str


def test_the_demo_is_shorter_and_decides_the_same(tmp_path: Path) -> None:
    with worktree(tmp_path / "before") as tree:
        before = timed(tree, tmp_path / "then")
    now = timed(ROOT, tmp_path / "now")
    print(
        f"\ndemo: {before.seconds:.0f} s at {BEFORE}, {now.seconds:.0f} s now: "
        f"{now.seconds / before.seconds:.2f} ×; verdicts {before.choice}, {now.choice}; "
        f"first line of a verdict after {before.first_verdict:.0f} s and {now.first_verdict:.0f} s"
    )
    # On some machines the first version is not sure and recommends the same "for now"; today's demo has to be.
    assert now.choice == before.choice.removesuffix(FOR_NOW)
    assert now.seconds <= AT_MOST * before.seconds
    assert now.first_verdict < FIRST_VERDICT


def timed(tree: Path, folder: Path) -> Demo:
    """Run the demo of a tree and read the verdict over families, which the same command gives again as JSON."""
    folder.mkdir()
    command = [sys.executable, "-m", "harness", "run", "demo.yaml", "--results", str(folder / "results")]
    command += ["--report", str(folder / "demo.html")]
    environment = {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}
    began, first = time.monotonic(), None
    with subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if first is None and line.startswith(SO_FAR):
                first = time.monotonic() - began
    seconds = time.monotonic() - began
    assert process.returncode in DECIDED
    again = subprocess.run([*command, "--json"], cwd=tree, env=environment, capture_output=True, text=True)
    assert again.returncode in DECIDED
    verdict = json.loads(again.stdout)["verdict"]
    return Demo(
        seconds=seconds,
        first_verdict=seconds if first is None else first,
        choice=choice(verdict),
    )


def choice(verdict: dict[str, object]) -> str:
    """What the verdict says to do: prompt, retrieve, finetune, perhaps for now, or that it is open. At efe6d46 it names a
    recipe instead."""
    first = str(verdict["sentence"]).partition(".")[0].partition(":")[0]
    kind, _, recipe = first.partition(" ")
    sure = recipe.removesuffix(FOR_NOW)
    family = FAMILIES.get(sure, sure) + recipe[len(sure) :]
    return family if kind == "Use" else first.lower()

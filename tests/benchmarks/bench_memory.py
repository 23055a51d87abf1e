"""Peak memory and speed of training, now and at an earlier commit: whole processes, the operating system's figures.

Both sides run the demo's full finetuning and LoRA by `harness run`, from a git worktree of the commit and from here, in the
order A B A B: base, training, parity gate, answers. Run by `make bench`, or

    pytest -s tests/benchmarks/bench_memory.py

`HARNESS_BENCH_BEFORE` (efe6d46) names the commit, `HARNESS_BENCH_LABELS` (120), `HARNESS_BENCH_TEST` (16) and
`HARNESS_BENCH_ROUNDS` (2) set the size.
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

LABELS = int(os.environ.get("HARNESS_BENCH_LABELS", "120"))
TEST = int(os.environ.get("HARNESS_BENCH_TEST", "16"))
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "2"))
RATES = {"full": 0.0002, "lora": 0.002}
AT_MOST = {"full": 0.75, "lora": 0.65}
"""Shares of the earlier commit's peak."""


@dataclass(frozen=True)
class Measured:
    """One run: bytes at the peak of its process, seconds in the training loop and of the whole command, and the loss of
    each step."""

    peak: int
    seconds: float
    command: float
    losses: list[float]


@pytest.mark.parametrize("kind", list(RATES))
def test_peak_memory_of_training(kind: str, tmp_path: Path) -> None:
    ours, theirs = [], []
    with worktree(tmp_path / "before") as before:
        for round_ in range(ROUNDS):
            task = before / "tasks" / "support_tickets"
            theirs.append(measure(kind, before, task, tmp_path / f"before{round_}"))
            ours.append(measure(kind, ROOT, task, tmp_path / f"now{round_}"))
    peaks = [max(run.peak for run in runs) / 2**30 for runs in (theirs, ours)]
    seconds = [min(run.seconds for run in runs) for runs in (theirs, ours)]
    commands = [min(run.command for run in runs) for runs in (theirs, ours)]
    print(
        f"\n{kind}: peak {peaks[0]:.2f} GiB at {BEFORE}, {peaks[1]:.2f} GiB now: {peaks[1] / peaks[0]:.2f} ×; "
        f"training {seconds[0]:.1f} s, {seconds[1]:.1f} s: {seconds[1] / seconds[0]:.2f} ×; "
        f"the whole command {commands[0]:.1f} s, {commands[1]:.1f} s: {commands[1] / commands[0]:.2f} ×"
    )
    assert len(ours[0].losses) == len(theirs[0].losses)
    assert ours[0].losses == pytest.approx(theirs[0].losses, rel=0.1)
    assert peaks[1] <= AT_MOST[kind] * peaks[0]


def measure(kind: str, tree: Path, task: Path, folder: Path) -> Measured:
    """Train and ask in a process of its own, which imports the package of `tree`; both sides read the earlier commit's
    task, because today's has longer prompts."""
    folder.mkdir()
    settings = {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 4,
        "learning_rate": RATES[kind],
        "eval_per_epoch": 0,
    }
    recipe = {"extends": kind, "name": kind, "data": {"limit": LABELS}, "weights": settings}
    file = folder / "one.yaml"
    file.write_text(json.dumps({"task": str(task), "limit": TEST, "recipes": [recipe]}))
    command = [sys.executable, "-m", "harness", "run", str(file), "--results", str(folder / "results")]
    environment = {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    child = subprocess.Popen(
        [*command, "--report", str(folder / "r.html"), "-q"],
        cwd=tree,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    command_seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    (run,) = (folder / "results" / "runs").glob("*/run.json")
    steps = run.with_name("train_steps.jsonl").read_text(encoding="utf-8").splitlines()
    return Measured(
        peak=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        seconds=json.loads(run.read_text(encoding="utf-8"))["train"]["seconds"],
        command=command_seconds,
        losses=[json.loads(step)["loss"] for step in steps],
    )

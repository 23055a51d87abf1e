"""Eight-shot answers, training LoRA and training full on the CPU, beside the commit before, in one run.

The other commit is unpacked into a temporary folder, and both trees do the same work in processes of their own, in the
order A B A B, on a machine that does nothing else. Run by `make bench`, or

    HARNESS_BENCH_BEFORE=v0.9 pytest -s tests/benchmarks/bench_before.py --override-ini "python_files=bench_*.py"

`HARNESS_BENCH_BEFORE` (HEAD~1) names the commit, `HARNESS_BENCH_ROUNDS` (2) how often each is timed, and
`HARNESS_BENCH_REQUESTS` (50), `HARNESS_BENCH_ROWS` (64) and `HARNESS_BENCH_MODEL` the size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

ROOT = Path(__file__).resolve().parents[2]
BEFORE = os.environ.get("HARNESS_BENCH_BEFORE", "HEAD~1")
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "2"))
REQUESTS = int(os.environ.get("HARNESS_BENCH_REQUESTS", "50"))
ROWS = os.environ.get("HARNESS_BENCH_ROWS", "64")
TOKENS = 32
METHODS = ("few_shot", "lora", "full")


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What one process measured: seconds of the work itself, and what came out of it."""

    seconds: float
    cpu_seconds: float
    """Of the whole process, with loading: on a machine that does other work, these tell what the clock cannot."""
    result: list[float]
    """Every token of the answers, or the dev loss after training."""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the other commit."""
    folder = tmp_path_factory.mktemp("before")
    packed = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_nothing_got_slower_on_the_cpu(method: str, before: Path) -> None:
    now, then = [], []
    for _ in range(ROUNDS):
        now.append(_timed(ROOT, method))
        then.append(_timed(before, method))
    ours, theirs = (min(run.seconds for run in runs) for runs in (now, then))
    our_cpu, their_cpu = (min(run.cpu_seconds for run in runs) for runs in (now, then))
    same = sum(a == b for a, b in zip(now[0].result, then[0].result, strict=True))
    print(
        f"\n{method}: {ours:.1f} s here, {theirs:.1f} s at {BEFORE}: {theirs / ours:.2f} × "
        f"(CPU {our_cpu:.1f} s and {their_cpu:.1f} s, with loading: {their_cpu / our_cpu:.2f} ×); "
        f"{same} of {len(now[0].result)} results are equal"
    )
    if method != "few_shot":
        assert now[0].result == pytest.approx(then[0].result, rel=0.02)


def _timed(tree: Path, method: str) -> Timed:
    """The work of one tree, whose own package and benchmarks are imported."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "HARNESS_BENCH_ROWS": ROWS,
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), method]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return Timed(**json.loads(done.stdout.splitlines()[-1]))


def _work(method: str) -> Timed:
    """Run in a process of its own, in the tree that is measured."""
    from harness.core.kinds import build
    from harness.engines.hf.engine import HfEngine
    from tests.benchmarks import engine_requests, training_peers

    if method != "few_shot":
        run = training_peers.measure(training_peers.ours, method)
        return Timed(seconds=run.seconds, cpu_seconds=time.process_time(), result=[run.dev_loss])
    model = build("base", "plain").load(training_peers.SPEC)
    asked = engine_requests.requests(model, "few_shot", REQUESTS, TOKENS)
    engine = HfEngine(model)
    list(engine.generate(asked[:2]))
    clock = time.perf_counter()
    answers = dict(engine.generate(asked))
    seconds = time.perf_counter() - clock
    tokens = [float(token) for i in range(len(asked)) for token in answers[i].token_ids]
    return Timed(seconds=seconds, cpu_seconds=time.process_time(), result=tokens)


if __name__ == "__main__":
    print(json.dumps(vars(_work(sys.argv[1]))))

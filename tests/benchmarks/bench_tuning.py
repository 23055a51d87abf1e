"""What tuning costs beside the runs that it asks for: the share of each arm's seconds that is the harness's own.

HARNESS_BENCH_TUNE sets another budget. Prints; it must stay under 5 % with a model that takes as long as a small one does.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.core.values import Request
from harness.workflows import run
from harness.workflows.options.run import RunOptions
from tests.conftest import write_tiny_task
from tests.unit.tuning_kit import answers, serve

pytestmark = pytest.mark.benchmark
BUDGET = os.environ.get("HARNESS_BENCH_TUNE", "12")
ANSWER_SECONDS = 0.1
"""Of one answer: what the bundled model takes for a short prompt on one core."""
MOST = 0.05


def _slow(request: Request) -> str:
    time.sleep(ANSWER_SECONDS)
    return answers(request)


def test_overhead_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt and the retrieval arm ask a served model that takes 0.1 s an answer."""
    task = write_tiny_task(tmp_path)
    monkeypatch.chdir(tmp_path)
    serve(monkeypatch, _slow)
    options = RunOptions(str(task), model="fake", recipes="prompt_opt,bm25_rag", tune=BUDGET, quiet=True)
    done = run.from_options(options)
    assert done is not None
    assert done.tuning is not None
    shares = {arm.arm: arm.overhead for arm in done.tuning.arms}
    for name, share in shares.items():
        print(f"{name}: {100 * (share or 0):.2f} % of {ANSWER_SECONDS} s an answer")
    assert all(share is not None and share < MOST for share in shares.values()), shares


def test_overhead_share_of_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finetuning arm trains the tiny random model, whose trials are as short as any."""
    task = write_tiny_task(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = run.from_options(RunOptions(str(task), model="tiny", recipes="lora", tune=BUDGET, quiet=True))
    assert done is not None
    assert done.tuning is not None
    (arm,) = done.tuning.arms
    print(f"{arm.arm}: {100 * (arm.overhead or 0):.2f} % of {arm.seconds:.1f} s")
    assert arm.overhead is not None
    assert arm.overhead < MOST

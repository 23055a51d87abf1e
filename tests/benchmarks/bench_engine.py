"""Answers per second of the hf engine against transformers.generate and lm-eval's hf backend.

Every peer answers the same token ids with the same network object at batch size 16, in the order
A B A B, and the answers are compared. Run by `make bench`, or

    pytest -s tests/benchmarks/bench_engine.py --override-ini "python_files=bench_*.py"

`HARNESS_BENCH_REQUESTS` (100) is the number of requests, `HARNESS_BENCH_TOKENS` (32) the most
tokens of an answer, `HARNESS_BENCH_ROUNDS` (2) how often each is timed. The model is computed in the
machine's own number format, or in `HARNESS_BENCH_DTYPE`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.core.protocols import LanguageModel
from harness.engines.hf.engine import HfEngine
from harness.models.load import load
from tests.benchmarks import engine_requests as peers

pytestmark = pytest.mark.benchmark

COUNT = int(os.environ.get("HARNESS_BENCH_REQUESTS", "100"))
LIMIT = int(os.environ.get("HARNESS_BENCH_TOKENS", "32"))
ROUNDS = int(os.environ.get("HARNESS_BENCH_ROUNDS", "2"))
DTYPE = os.environ.get("HARNESS_BENCH_DTYPE", "auto")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load("smollm2-135m-instruct", dtype=DTYPE)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    clock = time.perf_counter()
    result = call()
    return time.perf_counter() - clock, result


@pytest.mark.filterwarnings("ignore")  # those of the peers
@pytest.mark.parametrize("kind", ["few_shot", "zero_shot", "rag", "handbook"])
@pytest.mark.parametrize("peer", ["transformers_generate", "lm_eval_generate"])
def test_speed(model: LanguageModel, kind: str, peer: str) -> None:
    asked = peers.requests(model, kind, COUNT, LIMIT)
    engine = HfEngine(model)
    assert engine.shares
    ours, theirs = [], []
    for _ in range(ROUNDS):
        seconds, answers = timed(lambda: dict(engine.generate(asked)))
        ours.append(seconds)
        seconds, others = timed(lambda: getattr(peers, peer)(model, asked))
        theirs.append(seconds)
    same = sum(
        (answers[i].text if isinstance(other, str) else list(answers[i].token_ids)) == other
        for i, other in enumerate(others)
    )
    tokens = sum(len(request.token_ids or ()) for request in asked) / COUNT
    print(
        f"\n{kind}, {COUNT} requests of {tokens:.0f} tokens, at most {LIMIT} to answer, "
        f"{model.network.dtype}: "
        f"ours {min(ours):.1f} s, {peer} {min(theirs):.1f} s, ratio {min(theirs) / min(ours):.1f}, "
        f"{same} of {COUNT} answers equal"
    )
    # bfloat16 rounds differently in differently shaped products, and answers part where two tokens
    # are nearly as likely; float32 answers part at ties only.
    assert same >= COUNT * (0.5 if model.network.dtype.itemsize == 2 else 0.95)

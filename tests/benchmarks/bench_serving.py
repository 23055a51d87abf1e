"""Tokens per second at batch size 1: LoRA beside the weights, merged into them, and over a quantized base.

Run by `make bench`, or

    pytest -s tests/benchmarks/bench_serving.py --override-ini "python_files=bench_*.py"

`HARNESS_BENCH_REQUESTS` (8) prompts, one at a time, `HARNESS_BENCH_TOKENS` (16) tokens each. Every prompt is
asked of every way before the next prompt is, so that what else the machine does touches all of them alike;
the first prompt is not counted. The adapter is random: what it says does not matter, how long it takes does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel
from harness.core.values import Message, Request
from harness.engines.hf.engine import HfEngine
from harness.models.layers import adapters

pytestmark = pytest.mark.benchmark

COUNT = int(os.environ.get("HARNESS_BENCH_REQUESTS", "8"))
LIMIT = int(os.environ.get("HARNESS_BENCH_TOKENS", "16"))
MODEL = "smollm2-135m-instruct"
WAYS = ("base", "unmerged", "merged", "int8", "nf4")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of rank 16 on every linear layer, as the recipe `lora` trains it."""
    of, folder = build("base", "plain").load(MODEL), tmp_path_factory.mktemp("adapter")
    kind = build("weights", "lora")
    kind.prepare(of)
    for name, parameter in of.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.01)
    kind.save(of, folder)
    return folder


def loaded(way: str, adapter: Path) -> LanguageModel:
    of: LanguageModel = build("base", way if way in ("int8", "nf4") else "plain").load(MODEL)
    if way != "base":
        of = build("weights", "lora").load(of, adapter)
    if way == "merged":
        adapters.fold(of.network)
        assert adapters.names(of.network) == []
    return of


def requests() -> Iterator[Request]:
    for i in range(COUNT + 1):
        text = f"Tell me in one sentence what the number {i} is used for, and why people count with it."
        yield Request(id=str(i), messages=(Message("user", text),), max_new_tokens=LIMIT)


@pytest.mark.filterwarnings("ignore")  # those of bitsandbytes
def test_latency(adapter: Path) -> None:
    models = {way: loaded(way, adapter) for way in WAYS}
    engines = {way: HfEngine(of, batch_size=1) for way, of in models.items()}
    tokens, wall, cpu = (dict.fromkeys(WAYS, 0.0) for _ in range(3))
    for i, request in enumerate(requests()):
        for way, engine in engines.items():
            clock, process = time.perf_counter(), time.process_time()
            ((_, answer),) = list(engine.generate([request]))
            if i:
                tokens[way] += answer.tokens_out
                wall[way] += time.perf_counter() - clock
                cpu[way] += time.process_time() - process
    number = models["base"].network.dtype
    print(
        f"\n{COUNT} prompts, at most {LIMIT} tokens, {torch.get_num_threads()} threads, plain base in {number}"
    )
    for way, of in models.items():
        print(
            f"{way:9} {tokens[way] / wall[way]:6.2f} tokens/s, {tokens[way] / cpu[way]:6.2f} a CPU second, "
            f"{_bytes(of) / 1e6:5.0f} MB of weights"
        )
    assert all(tokens.values())


def _bytes(of: LanguageModel) -> int:
    """Of every weight once: the output layer is the embedding."""
    tensors = [*of.network.parameters(), *of.network.buffers()]
    return sum(t.numel() * t.element_size() for t in {t.data_ptr(): t for t in tensors}.values())

"""Seconds until a command answers, beside the peers' commands, in the order A B A B.

Run by `make bench`, or `pytest -s tests/benchmarks/bench_startup.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1200)]

BIN = Path(sys.executable).parent
ASK = """
from transformers import AutoModelForCausalLM, AutoTokenizer
folder = {folder!r}
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
chat = tokenizer.apply_chat_template(
    [{{"role": "user", "content": "thing test 0"}}], add_generation_prompt=True, return_tensors="pt"
)
print(tokenizer.decode(model.generate(chat["input_ids"], max_new_tokens=6, do_sample=False)[0]))
"""


def seconds(command: list[str], cwd: Path) -> float:
    """The faster of two runs of a process, its start included."""
    results = []
    for _ in range(2):
        clock = time.perf_counter()
        subprocess.run(
            command, cwd=cwd, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True, capture_output=True
        )
        results.append(time.perf_counter() - clock)
    return min(results)


@pytest.mark.parametrize("peer", ["lm-eval", "trl"])
def test_help(peer: str, tmp_path: Path) -> None:
    us = seconds([str(BIN / "harness"), "--help"], tmp_path)
    them = seconds([str(BIN / peer), "--help"], tmp_path)
    print(f"\n--help: harness {us:.2f} s, {peer} {them:.2f} s: {them / us:.1f} ×")


def test_first_answer(tiny_task: Path, tmp_path: Path) -> None:
    """From the prompt of a shell to one scored answer and its report; the peer is a bare script."""
    from harness.models.source import resolve

    us = []
    for i in range(2):
        clock = time.perf_counter()
        run = ["run", str(tiny_task), "--model", "tiny", "--recipes", "zero_shot", "--limit", "1"]
        subprocess.run(
            [str(BIN / "harness"), *run, "--results", f"r{i}"], cwd=tmp_path, check=True, capture_output=True
        )
        us.append(time.perf_counter() - clock)
    them = seconds([sys.executable, "-c", ASK.format(folder=str(resolve("tiny")))], tmp_path)
    print(
        f"\nfirst answer: harness (scored, stored, reported) {min(us):.1f} s, transformers script {them:.1f} s"
    )
    assert any(tmp_path.glob("r0/runs/*/run.json"))

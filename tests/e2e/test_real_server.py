"""A whole run against a real OpenAI-compatible server: transformers' own, on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.values import Message, Request
from harness.engines.hf.engine import HfEngine
from harness.engines.openai import OpenAIEngine
from harness.models.load import load
from harness.models.source import resolve
from tests.e2e.test_command import harness

_START = 180
"""Seconds within which the server must answer: it imports torch on a busy machine."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The model spec of the tiny model behind `transformers serve`."""
    folder, log = resolve("tiny"), tmp_path_factory.mktemp("serve") / "log"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tool = Path(sys.executable).with_name("transformers")
    command = [tool, "serve", folder, "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command), "--dtype", "float32"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"openai:{folder}@http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(_START):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert process.poll() is None, log.read_text()
            time.sleep(1)
    raise AssertionError(f"no server after {_START} s: {log.read_text()}")


def test_a_served_model_says_what_the_loaded_one_says(server: str) -> None:
    asked = [
        Request(
            id=str(i), messages=(Message("system", "Be brief."), Message("user", word)), max_new_tokens=12
        )
        for i, word in enumerate(["red", "thing 7", "say something longer than that", "{}"])
    ]
    served = dict(OpenAIEngine(server).generate(asked))
    loaded = dict(HfEngine(load("tiny")).generate(asked))
    assert [served[i].error for i in range(4)] == [None] * 4
    assert [served[i].text for i in range(4)] == [loaded[i].text for i in range(4)]
    assert [served[i].tokens_in for i in range(4)] == [loaded[i].tokens_in for i in range(4)]
    assert [served[i].tokens_out for i in range(4)] == [loaded[i].tokens_out for i in range(4)]


def test_prompting_methods_run_against_a_server(server: str, tiny_task: Path, tmp_path: Path) -> None:
    command = ["run", tiny_task, "--recipes", "zero_shot,few_shot", "--model", server, "--json"]
    done = harness(*command, cwd=tmp_path)
    runs = json.loads(done.stdout)["runs"]
    assert {(run["recipe"]["name"], run["status"]) for run in runs} == {
        ("zero_shot", "done"),
        ("few_shot", "done"),
    }

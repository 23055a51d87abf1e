"""Training in processes of its own: to be killed, or two of them together as torchrun starts them.

They are forked from one that has imported what training needs, so that a test pays for imports once.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import peft  # noqa: F401  (imported before forking)
import torch
import transformers.models.llama.modeling_llama  # noqa: F401  (imported before forking)

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord, TrainingResult
from harness.training import distributed, loop, supervised  # noqa: F401  (imported before forking)
from tests.unit.training_kit import context, lessons, model


def start(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A started process with one thread that calls `target`."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    process = server.Process(target=_alone, args=(target, arguments))
    process.start()
    return process


def together(target: Callable[..., None], arguments: Sequence[Any], size: int) -> None:
    """Run `target(*arguments)` in `size` processes with the environment that torchrun gives them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    running = [
        start(_ranked, target, arguments, shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(size)
    ]
    for process in running:
        process.join(240)
    assert [process.exitcode for process in running] == [0] * size


def _alone(target: Callable[..., None], arguments: Sequence[Any]) -> None:
    torch.set_num_threads(1)
    target(*arguments)


def _ranked(target: Callable[..., None], arguments: Sequence[Any], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    target(*arguments)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def train(folder: Path, spec: dict[str, Any]) -> TrainingResult:
    """Train the tiny model and write what this process saw of it to `<rank>.json`."""
    group = distributed.group()
    steps: list[StepRecord] = []
    asked: list[int] = []

    def dev_score(of: LanguageModel) -> float:
        asked.append(1)
        return 1 / len(asked)

    wide = context(folder / "stage", steps, dev=lessons(4), dev_score=dev_score)
    named = {name: value for name, value in spec.items() if name != "lessons"}
    result: TrainingResult = build("weights", named).train(model(), lessons(spec["lessons"]), wide)
    parameters = result.model.network.named_parameters()
    actual = {
        "steps": [asdict(step) for step in steps],
        "best": result.best_step,
        "asked": len(asked),
        "weights": {name: p.double().sum().item() for name, p in parameters},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{group.rank}.json").write_text(json.dumps(actual))
    return result

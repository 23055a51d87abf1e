"""What only a GPU can show. Run by `make gpu`; skipped with a reason where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.values import Message, Request
from harness.workflows.options.run import RunOptions

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]


def _requests() -> list[Request]:
    shared = "one two three four five six seven eight nine ten eleven twelve "
    return [
        Request(id=str(i), messages=(Message("user", shared + str(i)),), max_new_tokens=16) for i in range(8)
    ]


def test_the_engine_answers_on_the_gpu_as_on_the_cpu() -> None:
    """Float32 greedy answers do not depend on the device."""
    from harness.engines.hf.engine import HfEngine
    from harness.models.load import load

    on_gpu = dict(HfEngine(load("tiny", dtype="float32")).generate(_requests()))
    on_cpu = dict(HfEngine(load("tiny", dtype="float32", device="cpu")).generate(_requests()))
    assert {i: c.token_ids for i, c in on_gpu.items()} == {i: c.token_ids for i, c in on_cpu.items()}


@pytest.mark.parametrize("recipe", ["lora", "qlora", "full"])
def test_training_runs_on_the_gpu_and_records_device_memory(
    recipe: str, tiny_task: Path, tmp_path: Path
) -> None:
    from harness.runner.cells import plan
    from harness.runner.progress import Progress
    from harness.runner.runner import run
    from harness.workflows import run as session

    settings = ("weights.num_train_epochs=1", "weights.dev_examples=4")
    experiment = session.experiment(
        RunOptions(str(tiny_task), model=("tiny",), recipes=(recipe,), settings=settings)
    )
    record = run(plan(experiment), tmp_path / "results", progress=Progress()).records[0].raw
    assert record["status"] == "done", record["error"]
    assert record["peak_device_bytes"] > 0
    assert all(check["ok"] for check in record["parity"])

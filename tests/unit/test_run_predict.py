"""Every run says which peak memory was to be expected, beside what was measured."""

from __future__ import annotations

from pathlib import Path

from harness.decide import memory
from harness.models.shape import shape
from harness.run import session
from harness.run.cells import plan
from harness.run.progress import Progress
from harness.run.runner import run


def test_a_run_keeps_the_predicted_peak(tiny_task: Path, tmp_path: Path) -> None:
    experiment = session.experiment(
        str(tiny_task),
        models=("tiny",),
        recipes=("zero_shot", "lora"),
        limit=2,
        settings=("weights.num_train_epochs=0.1",),
    )
    records = run(plan(experiment), tmp_path / "results", progress=Progress()).records
    assert [record["status"] for record in records] == ["done", "done"]
    zero_shot, lora = (record["predicted_peak_bytes"] for record in records)
    weights = 4 * shape("tiny").parameters
    assert memory.PROCESS + weights < zero_shot < lora < memory.PROCESS + 100 * weights

"""Every run says which peak memory was to be expected, beside what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.kinds import build
from harness.estimate import memory
from harness.estimate.memory_forecast import largest_batch
from harness.models.dimensions import shape
from harness.runner.cells import plan
from harness.runner.progress import Progress
from harness.runner.runner import run
from harness.training.collator import Layout
from harness.training.loss import response_loss
from harness.training.tokenized import to_row
from harness.workflows import run as session
from harness.workflows.options.run import RunOptions
from tests.unit import training_kit


def test_a_run_keeps_the_predicted_peak(tiny_task: Path, tmp_path: Path) -> None:
    experiment = session.experiment(
        RunOptions(
            str(tiny_task),
            model=("tiny",),
            recipes=("zero_shot", "lora"),
            limit=2,
            settings=("weights.num_train_epochs=0.1",),
        )
    )
    records = run(plan(experiment), tmp_path / "results", progress=Progress()).records
    assert [record.status for record in records] == ["done", "done"]
    zero_shot, lora = (record.predicted_peak_bytes for record in records)
    weights = 4 * shape("tiny").parameters
    assert memory.PROCESS + weights < zero_shot < lora < memory.PROCESS + 100 * weights


@pytest.mark.parametrize("knobs", [{}, {"prompt_loss_weight": 0.1}, {"neftune_noise_alpha": 5.0}])
def test_the_largest_batch_is_laid_out_as_training_lays_it(knobs: dict[str, float]) -> None:
    """A loss on prompts once took twice the memory that was predicted: no beginning is shared then."""
    of = training_kit.model()
    stage = build("weights", {"kind": "lora", "per_device_train_batch_size": 4, **knobs})
    lessons = training_kit.lessons(12)
    rows = [to_row(lesson, of.chat, stage.prompt_loss_weight) for lesson in lessons]
    layout = Layout(of.network, rows, stage, response_loss)
    batch = layout.collate(sorted(rows, key=len, reverse=True)[:4])
    shared = 0 if batch.prefix is None else batch.prefix.numel()
    work = largest_batch(lessons, of, stage)
    assert work.tokens == shared + batch.ids.numel()
    assert work.loss_tokens == int((batch.weights > 0).sum())
    assert (shared > 0) == (not knobs)

"""The whole loop against transformers' Trainer: the same rows in the same order, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, StepRecord
from tests.unit import training_kit as kit

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the Trainer
RATE, BATCH, ROWS, EPOCHS = 3e-3, 4, 18, 2


def test_losses_and_gradient_norms_are_the_trainers(tmp_path: Path) -> None:
    """The last batch of an epoch is a broken one, of two rows."""
    steps: list[StepRecord] = []
    weights = build(
        "weights",
        {
            "kind": "full",
            "num_train_epochs": EPOCHS,
            "per_device_train_batch_size": BATCH,
            "learning_rate": RATE,
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "lesson_order": "given",
            "eval_per_epoch": 0,
        },
    )
    weights.train(kit.model(), kit.lessons(ROWS), kit.context(tmp_path / "ours", steps))
    theirs = _trained(kit.model(), tmp_path / "theirs")
    assert len(steps) == len(theirs) == 10
    assert theirs[-1]["loss"] < 0.7 * theirs[0]["loss"]
    assert [step.loss for step in steps] == pytest.approx([row["loss"] for row in theirs], rel=1e-3)
    assert [step.grad_norm for step in steps] == pytest.approx([row["grad_norm"] for row in theirs], rel=5e-3)


def _trained(model: LanguageModel, folder: Path) -> list[dict[str, Any]]:
    data = [
        {
            "input_ids": list(row.ids),
            "labels": [t if w else -100 for t, w in zip(row.ids, row.weights, strict=True)],
        }
        for row in kit.rows(ROWS, model)
    ]
    trainer = Trainer(
        model=model.network,
        args=TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=data,
        data_collator=DataCollatorForSeq2Seq(model.chat.tokenizer),  # type: ignore[attr-defined]
    )
    trainer.train()
    return [row for row in trainer.state.log_history if "grad_norm" in row]

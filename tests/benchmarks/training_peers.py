"""The same rows trained by our loop, by trl's SFTTrainer and by transformers' Trainer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.core.kinds import build
from harness.core.protocols import LanguageModel, TrainingContext
from harness.core.values import TrainingExample
from harness.tasks.load import load as load_task
from harness.training.evaluation import mean_loss
from harness.training.loss import response_loss
from harness.training.tokenized import to_rows

SPEC = os.environ.get("HARNESS_BENCH_MODEL", "smollm2-135m-instruct")
ROWS = int(os.environ.get("HARNESS_BENCH_ROWS", "128"))
BATCH, RANK, ALPHA = 8, 16, 32
RATES = {"lora": 1e-3, "full": 1e-4}


@dataclass(frozen=True)
class Timed:
    """One run: seconds in the training loop, tokens of its rows, loss on the same unseen rows."""

    seconds: float
    tokens: int
    dev_loss: float


def lessons(split: str, count: int) -> list[TrainingExample]:
    task = load_task("support_tickets")
    prompter = build("programs", "zero_shot").prepare(task, (), 0)
    return [
        TrainingExample(id=e.id, messages=prompter(e).messages, answer=task.format.render(e.target))
        for e in task.splits[split][:count]
    ]


def ours(kind: str, model: LanguageModel, some: Sequence[TrainingExample], order: str = "shuffled") -> float:
    weights = build(
        "weights",
        {
            "kind": kind,
            "num_train_epochs": 1,
            "learning_rate": RATES[kind],
            "lr_scheduler_type": "constant",
            "warmup_steps": 0,
            "dev_examples": 0,
            "lesson_order": order,
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        context = TrainingContext(
            task=None,  # type: ignore[arg-type]  # training never looks at it
            seed=0,
            folder=Path(folder),
            dev=(),
            dev_score=None,
            on_step=lambda _step: None,
        )
        seconds: float = weights.train(model, some, context).seconds
    return seconds


def ours_in_order(kind: str, model: LanguageModel, some: Sequence[TrainingExample]) -> float:
    """The same batches as the peers: rows in the order they came in, whatever their lengths."""
    return ours(kind, model, some, "given")


def trl(kind: str, model: LanguageModel, some: Sequence[TrainingExample], **changes: Any) -> float:
    """SFTTrainer with our settings; `changes` may undo some."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = Dataset.from_list(
        [
            {
                "prompt": [{"role": m.role, "content": m.content} for m in lesson.messages],
                "completion": [{"role": "assistant", "content": lesson.answer}],
            }
            for lesson in some
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(**(_arguments(kind, folder) | changes), max_length=2048)
        trainer = SFTTrainer(
            model=model.network,
            args=arguments,
            train_dataset=rows,
            processing_class=model.chat.tokenizer,  # type: ignore[attr-defined]
            peft_config=_lora() if kind == "lora" else None,
        )
        return _timed(trainer)


def trl_defaults(kind: str, model: LanguageModel, some: Sequence[TrainingExample]) -> float:
    """SFTTrainer as it comes: it computes activations again to save memory."""
    return trl(kind, model, some, activation_checkpointing=True)


def transformers(kind: str, model: LanguageModel, some: Sequence[TrainingExample]) -> float:
    from peft import get_peft_model
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    rows, _ = to_rows(some, model.chat, 2048)
    data = [
        {
            "input_ids": list(row.ids),
            "labels": [t if w else -100 for t, w in zip(row.ids, row.weights, strict=True)],
        }
        for row in rows
    ]
    network = get_peft_model(model.network, _lora()) if kind == "lora" else model.network
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=network,
            args=TrainingArguments(**_arguments(kind, folder)),
            train_dataset=data,
            data_collator=DataCollatorForSeq2Seq(model.chat.tokenizer),  # type: ignore[attr-defined]
        )
        return _timed(trainer)


PEERS: dict[str, Callable[[str, LanguageModel, Sequence[TrainingExample]], float]] = {
    "trl SFTTrainer": trl_defaults,
    "trl SFTTrainer without checkpointing": trl,
    "transformers Trainer": transformers,
}


def measure(method: Callable[[str, LanguageModel, Sequence[TrainingExample]], float], kind: str) -> Timed:
    """Train a freshly loaded model for one epoch of the same rows with the same settings."""
    model = build("base", "plain").load(SPEC)
    some = lessons("train", ROWS)
    seconds = method(kind, model, some)
    rows, _ = to_rows(some, model.chat, 2048)
    dev, _ = to_rows(lessons("dev", 24), model.chat, 2048)
    model.network.eval()
    with torch.no_grad():
        loss = mean_loss(model.network, dev, response_loss, 8)
    return Timed(seconds, sum(map(len, rows)), loss)


def _arguments(kind: str, folder: str) -> dict[str, Any]:
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": folder,
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 1,
        "learning_rate": RATES[kind],
        # The Trainer's warm-up begins with a step at rate 0, so that few steps would not compare.
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        # The rows are in random order already.
        "train_sampling_strategy": "sequential",
        "use_cpu": not on_gpu,
        "bf16": False,
        "logging_steps": 1000,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "activation_checkpointing": False,
    }


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules="all-linear")


def _timed(trainer: Any) -> float:
    began = time.monotonic()
    trainer.train()
    return time.monotonic() - began

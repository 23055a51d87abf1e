"""One line of `train_steps.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.records.base import Lenient


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainStep(Lenient):
    """Telemetry of one optimizer step as it was recorded; see `harness.core.protocols.StepRecord`."""

    step: int
    epoch: float | None = None
    loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    dev_loss: float | None = None
    dev_score: float | None = None
    stage: str = ""
    dev_part: int | None = None
    rung_score: float | None = None

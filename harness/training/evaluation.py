"""Evaluation of a model on dev during training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.protocols import LanguageModel
from harness.core.torch_types import Network
from harness.models.layers.out_of_memory import is_out_of_memory, release
from harness.training.batching import Batch, collate
from harness.training.progressive_eval import DevScore
from harness.training.tokenized import TokenizedExample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Dev loss (mean over response tokens, nats) and dev score of the weights after `step`; the score is
    of `part` dev examples, None: of all. `rung_score` is the score that is compared with other trials,
    if it differs."""

    step: int
    loss: float | None
    score: float | None
    part: int | None = None
    rung_score: float | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """Greater is better: by score, then by loss. For evaluations on all of dev only."""
        loss = math.inf if self.loss is None or math.isnan(self.loss) else self.loss
        return (self.score if self.score is not None else 0.0, -loss)


def evaluate(
    model: LanguageModel,
    rows: Sequence[TokenizedExample],
    score: Callable[[LanguageModel], DevScore],
    loss: Callable[[Network, Batch], torch.Tensor],
    batch_size: int,
    step: int,
    share_prefix: bool = False,
) -> Evaluation:
    """Evaluate the current model with dropout off."""
    model.network.eval()
    measured = mean_loss(model.network, rows, loss, batch_size, share_prefix) if rows else None
    dev = score(model)
    return Evaluation(step=step, loss=measured, score=dev.value, part=dev.part, rung_score=dev.rung)


def mean_loss(
    network: Network,
    rows: Sequence[TokenizedExample],
    loss: Callable[[Network, Batch], torch.Tensor],
    batch_size: int,
    share_prefix: bool = False,
) -> float:
    """Mean loss over the weighted positions of `rows`, in nats; batches shrink when `batch_size` rows do not
    fit into memory."""
    while True:
        try:
            return _mean_loss(network, rows, loss, batch_size, share_prefix)
        except (RuntimeError, MemoryError) as error:
            if batch_size == 1 or not is_out_of_memory(error):
                raise
        release()
        batch_size = -(-batch_size // 2)


def _mean_loss(
    network: Network,
    rows: Sequence[TokenizedExample],
    loss: Callable[[Network, Batch], torch.Tensor],
    batch_size: int,
    share_prefix: bool,
) -> float:
    import torch

    device = next(network.parameters()).device
    ordered = sorted(rows, key=len)
    total = weight = 0.0
    with torch.no_grad():
        for start in range(0, len(ordered), batch_size):
            batch = collate(ordered[start : start + batch_size], device, share_prefix)
            total += float(loss(network, batch))
            weight += float(batch.weights.sum())
    return total / weight

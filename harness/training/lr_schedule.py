"""The learning rate of each step."""

from __future__ import annotations

import math

from harness.training.settings import TrainingSettings

FLOOR = 0.1
"""Where `cosine_with_min_lr` ends, as a share of the peak (Hoffmann et al. 2022, section 4.1)."""
DECAY = 0.2
"""Share of the steps in which `warmup_stable_decay` decays (Hägele et al. 2024 advise 10 to 20%)."""


def learning_rate(settings: TrainingSettings, step: int, total: int) -> float:
    """The learning rate of optimizer step `step` (from 0) of `total`.

    Warm-up reaches the peak at its last step and does not start with a step of rate 0. After it:
    `linear` and `cosine` fall to just above 0 at the last step; `cosine_with_min_lr` to a tenth of
    the peak (Hoffmann et al. 2022, arXiv:2203.15556); `constant` stays; `inverse_sqrt` falls with the
    root of the step (Vaswani et al. 2017, arXiv:1706.03762); `warmup_stable_decay` stays, and falls
    linearly over the last fifth (Hu et al. 2024, arXiv:2404.06395).
    """
    warmup_steps = settings.warmup_steps
    warmup = min(total, math.ceil(warmup_steps * total) if warmup_steps < 1 else int(warmup_steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return settings.learning_rate * _share(settings.lr_scheduler_type, step, warmup, total)


def _share(schedule: str, step: int, warmup: int, total: int) -> float:
    done = (step - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return 1 - done
    if schedule == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    if schedule == "cosine_with_min_lr":
        return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * done)) / 2
    if schedule == "inverse_sqrt":
        return math.sqrt(max(1, warmup) / (step + 1))
    if schedule == "warmup_stable_decay":
        return min(1.0, (total - step) / max(1, math.ceil(DECAY * total)))
    return 1.0

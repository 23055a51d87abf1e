"""AdamW with float32 master weights, and the learning rate of each step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.training.settings import TrainingSettings

if TYPE_CHECKING:
    import torch


class Optimizer:
    """AdamW over the trainable parameters.

    A bfloat16 weight has 8 bits of precision: an update below 1/256 of it is rounded away, and
    most late updates are. So parameters of lower precision get a float32 master copy, into
    which their gradients are added up too; after each step the masters are written back.
    Float32 parameters are their own masters.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: TrainingSettings) -> None:
        import torch

        self._limit = settings.max_grad_norm
        self._pairs = [(p, p if p.dtype == torch.float32 else _master(p)) for p in parameters]
        self._hooks = [
            p.register_post_accumulate_grad_hook(_into(master))
            for p, master in self._pairs
            if master is not p
        ]
        masters = [master for _, master in self._pairs]
        groups = [
            {"params": [m for m in masters if m.ndim >= 2], "weight_decay": settings.weight_decay},
            {"params": [m for m in masters if m.ndim < 2], "weight_decay": 0.0},
        ]
        self._adam = torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=settings.learning_rate, fused=True
        )

    def step(self, learning_rate: float) -> float:
        """Clip, update, clear the gradients; returns the gradient's norm before clipping.

        Nothing is updated when that norm is not finite.
        """
        import torch

        masters = [master for _, master in self._pairs]
        norm = float(torch.nn.utils.clip_grad_norm_(masters, self._limit))
        if math.isfinite(norm):
            for group in self._adam.param_groups:
                group["lr"] = learning_rate
            self._adam.step()
            with torch.no_grad():
                for parameter, master in self._pairs:
                    if master is not parameter:
                        parameter.copy_(master)
        self._adam.zero_grad(set_to_none=True)
        return norm

    def close(self) -> None:
        """Let go of the parameters' hooks and gradients."""
        for hook in self._hooks:
            hook.remove()
        self._adam.zero_grad(set_to_none=True)


def learning_rate(settings: TrainingSettings, step: int, total: int) -> float:
    """The learning rate of optimiser step `step` (from 0) of `total`.

    Warm-up reaches the peak at its last step and does not begin with a step of rate 0; decay
    ends just above 0 at the last step.
    """
    given = settings.warmup_steps
    warmup = min(total, math.ceil(given * total) if given < 1 else int(given))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(1, total - warmup)
    if settings.lr_scheduler_type == "linear":
        return settings.learning_rate * (1 - done)
    if settings.lr_scheduler_type == "cosine":
        return settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate


def _master(parameter: torch.nn.Parameter) -> torch.nn.Parameter:
    import torch

    return torch.nn.Parameter(parameter.detach().float())


def _into(master: torch.nn.Parameter):  # type: ignore[no-untyped-def]
    def add(parameter: torch.nn.Parameter) -> None:
        gradient = parameter.grad
        parameter.grad = None
        if gradient is not None:
            master.grad = gradient.float() if master.grad is None else master.grad.add_(gradient)

    return add

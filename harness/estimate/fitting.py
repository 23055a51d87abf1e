"""The settings with which a recipe fits a given GPU, computed from the model's configuration only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from harness.core.json_types import JsonValue
from harness.core.protocols import Weights
from harness.core.recipes import Recipe
from harness.estimate import requirements
from harness.estimate.memory import Memory

RESERVED = 1.0
"""GiB of a card that its driver, the kernels and the allocator's gaps take; an assumption, not measured on
one."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a recipe fits.

    batch: rows of one pass, None if nothing is trained; each step keeps its rows, over `accumulation` passes.
    memory: what that takes; for the smallest settings if `fits` is false.
    """

    recipe: str
    fits: bool
    batch: int | None
    accumulation: int | None
    checkpointing: bool
    memory: Memory

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "fits": self.fits,
            "per_device_train_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulation,
            "activation_checkpointing": self.checkpointing,
            "total_bytes": self.memory.total,
            "summary": self.summary(),
        }

    def summary(self) -> str:
        """`fits with …`, or what the smallest settings need."""
        needs = f"{self.memory.total / 2**30:.1f} GiB"
        if not self.fits:
            return f"does not fit: {needs} at the least"
        if self.batch is None:
            return f"fits: {needs}"
        settings = {
            "per_device_train_batch_size": self.batch,
            "gradient_accumulation_steps": self.accumulation,
            "activation_checkpointing": str(self.checkpointing).lower(),
        }
        return f"fits with {', '.join(f'{name}: {value}' for name, value in settings.items())} ({needs})"


def capacity(gpu: float) -> float:
    """Bytes that a card of `gpu` GiB leaves for a run; cards are sold in GiB, whatever their label says."""
    return (gpu - RESERVED) * 2**30


def fit(spec: str, recipe: Recipe, dtype: str, length: int, rows: int, gpu: float) -> Fit:
    """The first settings that fit, fastest first: the recipe's own, then fewer rows in a pass at the same number in
    a step, then activation checkpointing, which computes about a third more.

    Args:
        length: tokens of a training example, and of a question with its answer.
        rows: questions answered at once.
        gpu: GiB of the card.
    """
    tried: Fit | None = None
    for tried in _settings(spec, recipe, dtype, length, rows, capacity(gpu)):
        if tried.fits:
            return tried
    assert tried is not None
    return tried


def _settings(spec: str, recipe: Recipe, dtype: str, length: int, rows: int, limit: float) -> Iterator[Fit]:
    if not recipe.weights:
        needed = requirements.method(spec, recipe, dtype, length, None, rows)
        yield Fit(
            recipe=recipe.name,
            fits=needed.total <= limit,
            batch=None,
            accumulation=None,
            checkpointing=False,
            memory=needed,
        )
        return
    last = recipe.weights[-1]
    step = last.per_device_train_batch_size * last.gradient_accumulation_steps
    for checkpointing in _checkpointing(recipe):
        batch = last.per_device_train_batch_size
        while batch:
            stages = tuple(
                stage.replace(activation_checkpointing=checkpointing)
                if checkpointing and _can_checkpoint(stage)
                else stage
                for stage in recipe.weights
            )
            needed = requirements.method(spec, replace(recipe, weights=stages), dtype, length, batch, rows)
            yield Fit(
                recipe=recipe.name,
                fits=needed.total <= limit,
                batch=batch,
                accumulation=-(-step // batch),
                checkpointing=checkpointing,
                memory=needed,
            )
            batch //= 2


def _checkpointing(recipe: Recipe) -> tuple[bool, ...]:
    """What to try: a recipe that sets it keeps it, and if no stage has the setting there is nothing to
    try."""
    if any(stage.activation_checkpointing for stage in recipe.weights):
        return (True,)
    return (False, True) if any(map(_can_checkpoint, recipe.weights)) else (False,)


def _can_checkpoint(stage: Weights) -> bool:
    return any(field.name == "activation_checkpointing" for field in fields(stage))

"""Scoring a model on dev during training: on all of it each time, or on a growing part.

Early in training a small part is enough to see that a trial is hopeless. The parts are nested, and the same for
all trials of a search: at a rung every trial is scored on the same examples, whatever its batch size or length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.protocols import LanguageModel, TrainingContext
from harness.training.settings import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class DevScore:
    """Mean primary score; `part` is the number of dev examples it covers, None: all.

    `rung` is the mean over the part that belongs to this rung, if `value` is over more: the last
    evaluation is over all of dev, whichever rung it falls on.
    """

    value: float | None
    part: int | None = None
    rung: float | None = None


def score(
    model: LanguageModel,
    settings: TrainingSettings,
    context: TrainingContext,
    step: int,
    total: int,
    steps_per_epoch: int,
) -> DevScore:
    """Score the model after `step` of `total` steps."""
    every, score_part = context.dev_score, context.dev_scores
    if score_part is None or not settings.first_dev_examples:
        return DevScore(value=None if every is None else every(model))
    most = min(settings.dev_examples, len(context.dev))
    part = size(rung(step, settings.eval_per_epoch, steps_per_epoch), settings.first_dev_examples, most)
    if part == most and every is not None:
        return DevScore(value=every(model))
    if step < total:
        return DevScore(value=mean(score_part(model, part)), part=part)
    values = score_part(model, most)
    return DevScore(value=mean(values), rung=mean(values[:part]))


def rung(step: int, per_epoch: int, steps_per_epoch: int) -> int:
    """The evaluations that an epoch is divided into, counted from the first; one that falls on the end
    of a broken last epoch counts as the next."""
    current, before = (s * per_epoch // steps_per_epoch for s in (step, step - 1))
    return current if current > before else current + 1


def size(rung: int, first: int, most: int) -> int:
    """How many dev examples belong to a rung: `first`, then twice as many each time, up to `most`.

    Doubling as in Jamieson and Talwalkar 2016 (successive halving), with dev examples as the resource.
    """
    return min(most, first << min(rung - 1, 62))


def mean(values: Sequence[float | None]) -> float:
    """Mean of the values that the scorer could compute; 0 if there is none."""
    valid = [value for value in values if value is not None]
    return sum(valid) / len(valid) if valid else 0.0

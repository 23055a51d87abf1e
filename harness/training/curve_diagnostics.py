"""What training curves show, in plain words.

The thresholds are rules of thumb, set so that a smooth run produces no findings; each is a constant here and
in docs/training.md. Every sentence names the numbers it is based on.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from harness.core.protocols import StepRecord

FEWEST = 8
"""Curves with fewer steps are not diagnosed."""
WINDOW = 8
"""A step is compared with the median of this many steps before it."""
SPIKE, SPIKE_NATS = 2.0, 0.5
"""A loss spike is this many times that median, and this many nats above it."""
GRADIENT_SPIKE, GRADIENT_FLOOR = 10.0, 0.1
"""A gradient spike is a norm this many times that median; a median below the floor counts as the floor, so
that the tiny gradients of a training that has learned everything have no spikes."""
DIVERGED = 1.1
"""Ratio of final to initial loss above which a run counts as diverged."""
SPIKES = 3
"""This many loss spikes are attributed to the learning rate."""
LEARNED = 0.97
"""The share of the starting loss that must be reached for anything to have been learned."""
NEAR_ZERO = 0.05
"""A loss in nats below which there was nothing left to learn."""
FALLING = 0.9
"""The last sixth of the steps as a share of the sixth before, below which the loss counts as still
falling."""
OVERFIT = 1.05
"""Ratio of the last dev loss to the lowest above which a run counts as overfitting."""


def diagnose(steps: Sequence[StepRecord]) -> tuple[str, ...]:
    """Findings on one stage's steps, most serious first; empty if nothing stands out.

    Losses below zero come from a policy gradient, whose magnitude means nothing: no findings.
    """
    losses = [step.loss for step in steps]
    if len(steps) < FEWEST or min(losses) < 0:
        return ()
    start, end = _ends(losses)
    spikes = _loss_spikes(steps)
    sentences = [_trend(steps, start, end, spikes), *_spiked(spikes), *_gradient(steps)]
    return tuple(sentence for sentence in (*sentences, _overfitting(steps)) if sentence)


def _ends(losses: Sequence[float]) -> tuple[float, float]:
    """Mean loss of the first and of the last eighth of the steps, three at least."""
    count = max(3, len(losses) // 8)
    return fmean(losses[:count]), fmean(losses[-count:])


def _trend(steps: Sequence[StepRecord], start: float, end: float, spikes: Sequence[StepRecord]) -> str:
    moved = f"the loss went from {start:.3g} to {end:.3g}"
    peak = max(step.learning_rate for step in steps)
    if start >= NEAR_ZERO or end >= NEAR_ZERO:
        if end > DIVERGED * start:
            return f"learning rate too high: {moved}; try a third of {peak:g} or a longer warm-up"
        if len(spikes) >= SPIKES:
            return f"learning rate too high: the loss jumped {len(spikes)} times; try a third of {peak:g}"
        if end > LEARNED * start:
            return f"nothing learned: {moved}; raise the learning rate ({peak:g}) or look at the data"
        if _still_falls(steps):
            return f"not converged: {moved} and was still falling at the end; more epochs may help"
    return ""


def _still_falls(steps: Sequence[StepRecord]) -> bool:
    if _overfitting(steps):
        return False
    losses = [step.loss for step in steps]
    count = max(3, len(losses) // 6)
    before, last = fmean(losses[-2 * count : -count]), fmean(losses[-count:])
    return last > NEAR_ZERO and last < FALLING * before


def _loss_spikes(steps: Sequence[StepRecord]) -> list[StepRecord]:
    spikes = []
    for i, step in enumerate(steps[WINDOW:], WINDOW):
        usual = median(before.loss for before in steps[i - WINDOW : i])
        if step.loss > SPIKE * usual and step.loss > usual + SPIKE_NATS:
            spikes.append(step)
    return spikes


def _spiked(spikes: Sequence[StepRecord]) -> list[str]:
    if not spikes:
        return []
    worst = max(spikes, key=lambda step: step.loss)
    listed = _listed([step.step for step in spikes])
    return [
        f"loss spike at step {listed}: up to {worst.loss:.3g}; look at the training examples of step {worst.step}"
    ]


def _gradient(steps: Sequence[StepRecord]) -> list[str]:
    ratios = []
    for i, step in enumerate(steps[WINDOW:], WINDOW):
        usual = max(median(before.grad_norm for before in steps[i - WINDOW : i]), GRADIENT_FLOOR)
        if step.grad_norm > GRADIENT_SPIKE * usual:
            ratios.append((step.grad_norm / usual, step.step))
    if not ratios:
        return []
    ratio, worst = max(ratios)
    return [
        f"gradient spike at step {_listed([step for _, step in ratios])}: the norm was {ratio:.0f} times the "
        f"usual at step {worst} (max_grad_norm says to which norm it is cut)"
    ]


def _overfitting(steps: Sequence[StepRecord]) -> str:
    """The dev loss has risen from its lowest point while the train loss kept falling."""
    measured = [(step, step.dev_loss) for step in steps if step.dev_loss is not None]
    if len(measured) < 2:
        return ""
    (best, lowest), (last, final) = min(measured, key=lambda pair: pair[1]), measured[-1]
    if final <= OVERFIT * lowest or _around(steps, last) >= _around(steps, best):
        return ""
    return (
        f"overfitting from epoch {best.epoch:.2g}: dev loss rose from {lowest:.3g} to {final:.3g} while train "
        "loss fell; train for fewer epochs or on more data"
    )


def _around(steps: Sequence[StepRecord], at: StepRecord) -> float:
    """Mean train loss of the steps up to a position."""
    return fmean(step.loss for step in steps if at.step - WINDOW < step.step <= at.step)


def _listed(steps: Sequence[int]) -> str:
    shown = ", ".join(str(step) for step in steps[:5])
    return shown if len(steps) <= 5 else f"{shown} and {len(steps) - 5} more"

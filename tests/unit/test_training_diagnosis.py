"""What is said of curves whose trouble is known, and that nothing is said of even ones."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from harness.core.protocols import StepRecord
from harness.training.curve_diagnostics import diagnose


def curve(
    losses: Sequence[float], *, dev: dict[int, float] | None = None, norms: Sequence[float] = ()
) -> list[StepRecord]:
    return [
        StepRecord(
            step=i + 1,
            epoch=(i + 1) / 10,
            loss=loss,
            learning_rate=1e-3,
            grad_norm=norms[i] if norms else 1.0,
            tokens=10,
            seconds=0.1,
            dev_loss=(dev or {}).get(i + 1),
        )
        for i, loss in enumerate(losses)
    ]


def falling(count: int = 60, floor: float = 0.4, seed: int = 0) -> list[float]:
    """An exponential fall that has come to rest, with the noise of small batches."""
    noise = random.Random(seed)
    return [floor + 2 * math.exp(-i / 6) + noise.gauss(0, 0.02) for i in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_an_even_training_is_told_nothing(seed: int) -> None:
    dev = {10 * n: 0.45 + 2 * math.exp(-10 * n / 6) for n in range(1, 7)}
    assert diagnose(curve(falling(seed=seed), dev=dev)) == ()


def test_too_few_steps_and_policy_losses_are_told_nothing() -> None:
    assert diagnose(curve([2, 3, 4, 5, 6, 7, 8])) == ()
    assert diagnose(curve([0.01, -0.3, 0.2, -0.1] * 5)) == ()
    assert diagnose([]) == ()


def test_a_loss_that_rises_is_a_learning_rate_too_high() -> None:
    (sentence,) = diagnose(curve([2 + 0.1 * i for i in range(30)]))
    assert sentence == (
        "learning rate too high: the loss went from 2.1 to 4.8; try a third of 0.001 or a longer warm-up"
    )


def test_a_loss_that_jumps_again_and_again_is_a_learning_rate_too_high() -> None:
    losses = falling()
    for step in (20, 33, 47):
        losses[step - 1] = 3.0
    sentence = diagnose(curve(losses))
    assert sentence[0].startswith("learning rate too high: the loss jumped 3 times; try a third of 0.001")
    assert sentence[1] == "loss spike at step 20, 33, 47: up to 3; look at the training examples of step 20"


def test_one_spike_is_named_with_its_step_only() -> None:
    losses = falling()
    losses[29] = 2.5
    assert diagnose(curve(losses)) == (
        "loss spike at step 30: up to 2.5; look at the training examples of step 30",
    )


def test_a_gradient_spike_is_named() -> None:
    norms = [1.0] * 60
    norms[39] = 25.0
    (sentence,) = diagnose(curve(falling(), norms=norms))
    assert sentence.startswith("gradient spike at step 40: the norm was 25 times the usual at step 40")


def test_a_training_that_has_learnt_everything_has_no_gradient_spike() -> None:
    """Norms of a thousandth of the clip: a step of 0.02 changes nothing, whatever it is a multiple of."""
    losses = [2 * math.exp(-i / 4) + 1e-4 for i in range(60)]
    norms = [math.exp(-i / 4) + 1e-3 for i in range(60)]
    norms[50] = 0.02
    assert diagnose(curve(losses, norms=norms)) == ()
    norms[50] = 1.5
    assert diagnose(curve(losses, norms=norms))[0].startswith("gradient spike at step 51")


def test_a_flat_loss_learnt_nothing_unless_there_was_nothing_to_learn() -> None:
    (sentence,) = diagnose(curve([2.0, 2.02, 1.98] * 10))
    assert sentence.startswith("nothing learned: the loss went from 2 to 2; raise the learning rate (0.001)")
    assert diagnose(curve([0.01, 0.012, 0.009] * 10)) == ()


def test_a_loss_that_still_falls_has_not_converged() -> None:
    (sentence,) = diagnose(curve([3.0 - 0.07 * i for i in range(36)]))
    assert sentence.startswith("not converged: the loss went from")
    assert sentence.endswith("still falling at the end; more epochs may help")


def test_overfitting_begins_where_the_dev_loss_was_lowest() -> None:
    losses = [2.0 * 0.95**i for i in range(60)]
    dev = {10: 1.5, 20: 1.1, 30: 1.3, 40: 1.5, 50: 1.8, 60: 2.2}
    (sentence,) = diagnose(curve(losses, dev=dev))
    assert sentence.startswith(
        "overfitting from epoch 2: dev loss rose from 1.1 to 2.2 while train loss fell"
    )


def test_a_dev_loss_that_rises_with_the_train_loss_is_no_overfitting() -> None:
    losses = [1.0 + 0.02 * i for i in range(60)]
    dev = {20: 1.1, 40: 1.5, 60: 2.2}
    (sentence,) = diagnose(curve(losses, dev=dev))
    assert sentence.startswith("learning rate too high")

"""Holm, equivalence, power and seeds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import equivalence, power, seeds
from harness.evidence.stats.multiple import holm


@pytest.mark.parametrize("size", [1, 2, 7, 15])
def test_holm_is_statsmodels(size: int) -> None:
    p_values = np.round(np.random.default_rng(size).random(size) ** 3, 2).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


def test_holm_of_nothing() -> None:
    assert holm([]) == []


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.08])
def test_tost_is_statsmodels(shift: float) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(80) + shift, rng.random(80)
    differences = first - second
    expected = ttost_paired(first, second, -0.1, 0.1)[0]
    se = differences.std(ddof=1) / np.sqrt(80)
    p_values = [equivalence.non_inferiority_p(sign * differences.mean(), se, 79, 0.1) for sign in (1, -1)]
    assert max(p_values) == pytest.approx(expected)


def test_margins_turn_the_burden_of_proof_round() -> None:
    assert equivalence.not_worse(-0.019, 0.02)
    assert not equivalence.not_worse(-0.02, 0.02)
    assert equivalence.equivalent(-0.01, 0.015, 0.02)
    assert not equivalence.equivalent(-0.01, 0.03, 0.02)
    assert equivalence.non_inferiority_p(-0.01, 0.0, 10, 0.02) == 0.0


def test_power_agrees_with_statsmodels_for_many_examples() -> None:
    n = power.examples_for(0.04, sd=0.5)
    expected = TTestPower().solve_power(effect_size=0.04 / 0.5, alpha=0.05, power=0.8)
    assert n == pytest.approx(expected, rel=0.005)


def test_minimum_detectable_and_examples_for_are_inverse() -> None:
    detectable = power.minimum_detectable(0.4 / np.sqrt(1_000))
    assert power.examples_for(detectable, sd=0.4) == pytest.approx(1_000, abs=1)


def test_no_number_of_examples_shows_a_difference_of_zero() -> None:
    with pytest.raises(ValueError, match="difference of 0"):
        power.examples_for(0.0, sd=0.4)


@given(st.floats(-0.3, 0.3), st.floats(0.01, 1.0), st.floats(0.005, 0.1))
def test_with_a_margin_some_number_of_examples_always_settles(
    difference: float, sd: float, margin: float
) -> None:
    needed = power.examples_to_settle(difference, sd, margin)
    assert needed is not None
    assert needed <= np.ceil((power.multiplier() * sd / (margin / 2)) ** 2) + 1


def test_training_noise_is_not_cured_by_examples() -> None:
    assert power.examples_to_settle(0.0, 0.5, 0.02, training_se=0.02) is None
    assert power.examples_to_settle(0.0, 0.5, 0.02, training_se=0.001) is not None


def test_what_one_more_group_could_change_shrinks_with_the_number_of_groups() -> None:
    """Twenty groups of ten with a standard error of 6 points: ten times as many groups have 0.6, and not 1.9."""
    needed = power.examples_to_settle(0.0, 0.01, 0.02, whole_group=0.06 * 200)
    assert needed is not None
    assert 0.06 * 200 / needed == pytest.approx(0.02 / power.multiplier(), rel=1e-3)
    assert power.examples_to_settle(0.1, 0.01, 0.02, whole_group=0.06 * 200) == 1, (
        "a difference shows without it"
    )


def test_seeds_and_examples_are_told_apart() -> None:
    """Simulated with known variances: both components come back on average."""
    rng = np.random.default_rng(5)
    clusters = by_cluster.codes([None] * 400)
    sampling, training = [], []
    for _ in range(300):
        values = 0.5 + 0.3 * rng.normal(size=(1, 400)) + 0.04 * rng.normal(size=(3, 1))
        values = values + 0.2 * rng.normal(size=(3, 400))
        estimate = seeds.mean(values, clusters)
        sampling.append(estimate.sampling_se**2)
        training.append((estimate.training_se or 0.0) ** 2)
    assert np.mean(sampling) == pytest.approx((0.3**2 + 0.2**2 / 3) / 400, rel=0.03)
    assert np.mean(training) == pytest.approx(0.04**2 / 3, rel=0.2)


def test_one_seed_shows_no_training_noise_unless_others_do() -> None:
    rng = np.random.default_rng(6)
    clusters = by_cluster.codes([None] * 50)
    one, three = rng.random((1, 50)), rng.random((3, 50))
    assert seeds.mean(one, clusters).training_se is None
    pooled = seeds.pool([seeds.training_noise(one, clusters), seeds.training_noise(three, clusters)])
    granted = seeds.mean(one, clusters, pooled)
    assert pooled is not None
    assert granted.training_se == pytest.approx(np.sqrt(pooled.variance))
    assert seeds.pool([None]) is None


def test_more_seeds_shrink_training_noise_only() -> None:
    rng = np.random.default_rng(7)
    clusters = by_cluster.codes([None] * 200)
    base = rng.random((1, 200))
    values = base + 0.05 * rng.normal(size=(40, 1))
    few, many = seeds.mean(values[:5], clusters), seeds.mean(values, clusters)
    assert (many.training_se or 0) < 0.6 * (few.training_se or 0)
    assert many.sampling_se == pytest.approx(few.sampling_se, rel=1e-6)

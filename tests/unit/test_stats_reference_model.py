"""The exact distribution of a grouped mean's t."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.evidence.stats import exact_t, paired
from tests.simulate import coverage
from tests.simulate.coverage import Groups


@pytest.mark.parametrize("correlation", [0.0, 0.7])
@pytest.mark.parametrize("critical", [1.5, 2.4, 3.5])
def test_groups_of_one_size_have_students_t_whatever_their_correlation(
    critical: float, correlation: float
) -> None:
    tail = exact_t.tail(critical, np.full(8, 5.0), correlation)
    assert tail == pytest.approx(2 * stats.t.sf(critical, 7), rel=1e-6)


def test_groups_of_many_sizes_have_the_tail_of_a_simulation() -> None:
    sizes, rng = np.array([1.0, 2.0, 3.0, 40.0, 5.0, 6.0]), np.random.default_rng(0)
    sums = rng.normal(size=(100_000, 6)) * np.sqrt(sizes * 0.5 + sizes**2 * 0.5)
    means = sums.sum(axis=1) / sizes.sum()
    residuals = (sums - means[:, None] * sizes) / np.sqrt(1 - sizes / sizes.sum())
    statistics = np.abs(means) * sizes.sum() / np.sqrt((residuals**2).sum(axis=1))
    assert exact_t.tail(2.0, sizes, 0.5) == pytest.approx((statistics > 2.0).mean(), abs=0.006)


@pytest.mark.parametrize("level", [0.95, 0.998, 0.9999])
def test_a_critical_value_leaves_its_tail_and_is_students_for_groups_of_one_size(level: float) -> None:
    assert exact_t.critical_value(np.full(12, 7.0), 0.4, level) == pytest.approx(
        stats.t.ppf((1 + level) / 2, 11), abs=1e-3
    )
    sizes = Groups(20, 10, shape="skewed").sizes.astype(float)
    assert exact_t.tail(exact_t.critical_value(sizes, 0.4, level), sizes, 0.4) == pytest.approx(
        1 - level, rel=1e-2
    )


@pytest.mark.parametrize("shape", ["skewed", "dominated"])
def test_the_integral_agrees_with_one_of_a_finer_step(
    shape: coverage.Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        (Groups(count, 10, shape=shape).sizes.astype(float), at)
        for count in (10, 60, 1_000)
        for at in (2.5, 5.0)
    ]
    plain = [exact_t.tail(at, sizes, correlation) for sizes, at in cases for correlation in (0.0, 0.5, 1.0)]
    monkeypatch.setattr(exact_t, "_STEPS", 8)
    finer = [exact_t.tail(at, sizes, correlation) for sizes, at in cases for correlation in (0.0, 0.5, 1.0)]
    assert plain == pytest.approx(finer, abs=1e-6)


def test_many_recipes_over_a_few_groups_of_many_sizes_can_still_differ() -> None:
    """At the level of fifteen pairs, Satterthwaite's two degrees of freedom ask for 27 standard errors."""
    groups, rng = Groups(20, 10, 0.2, "skewed"), np.random.default_rng(0)
    differences = coverage.of_rates(groups, rng, 0.6)
    low, high = paired.grouped_interval(differences, groups.codes, binary=True, level=0.998)
    assert high < -0.1
    assert low < -0.8


def test_a_lead_that_many_groups_share_is_held_by_its_interval() -> None:
    covered, wrong = coverage.lead_not_shared(Groups(150, 4), 20, -1)
    assert covered >= 85.0
    assert wrong == 0.0

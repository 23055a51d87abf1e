"""The exact distribution that the intervals over groups are compared with in docs/simulations.md."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.simulate import coverage, reference_model
from tests.simulate.coverage import Groups


@pytest.mark.parametrize("correlation", [0.0, 0.7])
@pytest.mark.parametrize("critical", [1.5, 2.4, 3.5])
def test_groups_of_one_size_have_students_t_whatever_their_correlation(
    critical: float, correlation: float
) -> None:
    tail = reference_model.tail(critical, np.full(8, 5.0), correlation)
    assert tail == pytest.approx(2 * stats.t.sf(critical, 7), rel=1e-6)


def test_groups_of_many_sizes_have_the_tail_of_a_simulation() -> None:
    sizes, rng = np.array([1.0, 2.0, 3.0, 40.0, 5.0, 6.0]), np.random.default_rng(0)
    sums = rng.normal(size=(100_000, 6)) * np.sqrt(sizes * 0.5 + sizes**2 * 0.5)
    means = sums.sum(axis=1) / sizes.sum()
    residuals = (sums - means[:, None] * sizes) / np.sqrt(1 - sizes / sizes.sum())
    statistics = np.abs(means) * sizes.sum() / np.sqrt((residuals**2).sum(axis=1))
    assert reference_model.tail(2.0, sizes, 0.5) == pytest.approx((statistics > 2.0).mean(), abs=0.006)


def test_a_lead_that_many_groups_share_is_held_by_its_interval() -> None:
    covered, wrong = coverage.lead_not_shared(Groups(150, 4), 20, -1)
    assert covered >= 85.0
    assert wrong == 0.0

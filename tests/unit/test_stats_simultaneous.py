"""Intervals that hold together, far tails, effective sample sizes: against scipy and statsmodels."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.evidence.stats import clusters as by_cluster
from harness.evidence.stats import curves, paired, seeds, simultaneous
from harness.evidence.stats.intervals import bca, score_interval, t_quantile, t_tails, wilson


@pytest.mark.parametrize("count", [3, 6, 12])
def test_the_level_for_all_pairs_of_independent_means_is_tukeys(count: int) -> None:
    level = simultaneous.level_of_each(np.eye(count), simultaneous.pairwise(count), level=0.95)
    critical = stats.studentized_range.ppf(0.95, count, 1e6) / np.sqrt(2)
    assert stats.norm.ppf(0.5 + level / 2) == pytest.approx(critical, rel=0.015)


def test_intervals_that_move_together_need_no_correction_and_independent_ones_nearly_bonferronis() -> None:
    together = np.ones((4, 4))
    assert simultaneous.level_of_each(together, np.eye(4), level=0.95) == pytest.approx(0.95, abs=0.004)
    apart = simultaneous.level_of_each(np.eye(4), np.eye(4), level=0.95)
    assert apart == pytest.approx(0.95**0.25, abs=0.002)
    assert apart <= simultaneous.bonferroni(4, 0.95)


def test_one_interval_and_unknown_covariances_fall_back_to_bonferroni() -> None:
    assert simultaneous.level_of_each(np.eye(2), simultaneous.pairwise(2), level=0.95) == 0.95
    unknown = np.full((3, 3), np.inf)
    assert simultaneous.level_of_each(unknown, np.eye(3), level=0.94) == pytest.approx(0.98)
    assert simultaneous.level_of_each(np.zeros((3, 3)), np.eye(3), level=0.94) == pytest.approx(0.98)


def test_the_computed_tail_of_sign_flips_agrees_with_many_more_flips() -> None:
    differences = np.random.default_rng(3).normal(0.42, 1.0, 60)
    computed = paired.sign_flip(differences, resamples=2_000)[0]
    counted = paired.sign_flip(differences, resamples=400_000)[0]
    assert counted < 0.01
    assert computed == pytest.approx(counted, rel=0.1)


def test_the_tail_reaches_as_far_as_hundreds_of_comparisons_need() -> None:
    differences = np.random.default_rng(4).normal(0.5, 0.3, 200)
    assert 0 < paired.sign_flip(differences)[0] < 1e-20


def test_bca_beyond_its_resamples_goes_on_like_a_normal_tail() -> None:
    sample = np.random.default_rng(5).normal(0.5, 0.1, 400)
    low, high = bca(sample, level=1 - 1e-6)
    half = stats.norm.ppf(1 - 5e-7) * sample.std() / 20
    assert high[0] - sample.mean() == pytest.approx(half, rel=0.08)
    assert sample.mean() - low[0] == pytest.approx(half, rel=0.08)


def test_the_effective_size_of_independent_rates_is_their_number() -> None:
    low, high = score_interval(0.3, 0.3 * 0.7 / 200, 1e9)
    assert (low, high) == pytest.approx(proportion_confint(60, 200, method="wilson"), abs=1e-9)


def test_few_degrees_of_freedom_widen_and_an_unknown_variance_says_nothing() -> None:
    narrow, wide = score_interval(0.3, 0.001, 1e9), score_interval(0.3, 0.001, 4)
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])
    assert score_interval(0.3, float("inf"), 4) == (0.0, 1.0)
    assert score_interval(1.0, 0.0, 1e9, most=5) == pytest.approx(wilson(5, 5))


def test_an_imaginary_group_of_one_is_the_imaginary_pair() -> None:
    differences = np.random.default_rng(6).choice([-1.0, 0.0, 1.0], 40)
    alone = by_cluster.codes([None] * 40)
    assert paired.with_imaginary_groups(differences, alone) == pytest.approx(
        paired.with_imaginary_pair(differences)
    )


def test_whole_groups_that_tie_prove_less_than_as_many_examples() -> None:
    codes = by_cluster.codes([f"g{i // 50}" for i in range(500)])
    low, high = paired.grouped_interval(np.zeros(500), codes, binary=True)
    assert low < -0.2
    assert high > 0.2


def test_one_group_says_nothing() -> None:
    codes = by_cluster.codes(["only"] * 100)
    values = np.random.default_rng(7).random(100)
    assert paired.grouped_interval(values, codes, binary=False) == (-1.0, 1.0)
    computed = seeds.mean(values[None, :], codes)
    assert computed.sampling_se == np.inf
    assert computed.p == 1.0


def test_groups_that_all_differ_have_students_interval() -> None:
    rng = np.random.default_rng(8)
    totals = rng.normal(0.1, 0.1, 6)
    codes = by_cluster.codes([f"g{i // 10}" for i in range(60)])
    expected = stats.ttest_1samp(totals, 0.0).confidence_interval(0.95)
    computed = paired.grouped_interval(np.repeat(totals, 10), codes, binary=False)
    assert computed == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_next_doubling_of_a_power_law_is_found(exponent: float) -> None:
    counts = np.array([50.0, 100.0, 200.0, 400.0])

    def score(labels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return 0.9 - 0.5 * (labels / 50) ** -exponent

    computed = curves.next_doubling(score(counts)[None, :], counts)[0]
    assert computed == pytest.approx(float(score(np.array([800.0]))[0] - score(counts)[-1]), abs=2e-4)


def test_two_points_do_not_show_a_bend() -> None:
    counts = np.array([100.0, 200.0])
    drawn = np.array([[0.5, 0.5 + gain] for gain in np.linspace(0.06, 0.1, 101)])
    low, high = curves.next_interval(drawn, counts, 0.95)
    assert (low, high) == pytest.approx((0.061 / 8, 0.099), abs=1e-3)


@pytest.mark.parametrize("df", [1.0, 4.5, 300.0, np.inf])
def test_students_t_is_scipys(df: float) -> None:
    assert t_quantile(0.995, df) == pytest.approx(stats.t.ppf(0.995, df), rel=1e-12)
    assert t_tails(-2.3, df) == pytest.approx(2 * stats.t.sf(2.3, df), rel=1e-12)


def test_the_bootstraps_ends_are_numpys_quantiles() -> None:
    from harness.evidence.stats import intervals

    drawn = np.random.default_rng(1).random((3, 501))
    shares = np.array([0.013, 0.5, 1.0])
    expected = [np.quantile(row, share) for row, share in zip(drawn, shares, strict=True)]
    np.testing.assert_allclose(intervals._quantiles(np.sort(drawn, axis=1), shares), expected, rtol=1e-14)

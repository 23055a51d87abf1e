"""Intervals of one mean against scipy, statsmodels and hand-computed values."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from harness.evidence.stats.intervals import bca, student, wilson
from harness.evidence.stats.resampling import bootstrap_means, chunks, generator, sign_flipped_means


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 50), (1, 50), (17, 40), (200, 200), (999, 5000)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_statsmodels(successes: int, n: int, level: float) -> None:
    expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx(expected, abs=1e-12)


def test_wilson_without_data_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["normal", "skewed", "differences"])
def test_bca_is_scipys_up_to_monte_carlo_error(name: str) -> None:
    rng = np.random.default_rng(11)
    sample = {
        "normal": rng.normal(0.3, 0.2, 80),
        "skewed": rng.beta(0.5, 4.0, 60),
        "differences": rng.choice([-1.0, 0.0, 0.0, 0.0, 1.0, 1.0], 120),
    }[name]
    expected = stats.bootstrap(
        (sample,), np.mean, n_resamples=40_000, method="BCa", rng=np.random.default_rng(5)
    ).confidence_interval
    low, high = bca(sample, resamples=40_000)
    width = expected.high - expected.low
    assert low[0] == pytest.approx(expected.low, abs=0.02 * width)
    assert high[0] == pytest.approx(expected.high, abs=0.02 * width)


def test_bca_of_skewed_data_leans_to_the_long_tail() -> None:
    sample = np.random.default_rng(2).beta(0.5, 4.0, 40)
    low, high = bca(sample)
    assert high[0] - sample.mean() > 1.1 * (sample.mean() - low[0])


def test_columns_share_resamples_and_the_same_data_gives_the_same_interval() -> None:
    sample = np.random.default_rng(3).random(50)
    low, high = bca(np.stack([sample, sample + 1.0, sample], axis=1))
    assert low[0] == low[2]
    assert low[1] == pytest.approx(low[0] + 1.0)
    assert high[1] == pytest.approx(high[0] + 1.0)
    alone = bca(sample)
    assert (low[0], high[0]) == pytest.approx((alone[0][0], alone[1][0]), abs=1e-12)
    again = bca(sample)
    assert (alone[0][0], alone[1][0]) == (again[0][0], again[1][0])


def test_bca_without_variation_is_a_point() -> None:
    low, high = bca(np.full(20, 0.4))
    assert low[0] == pytest.approx(0.4)
    assert high[0] == pytest.approx(0.4)


def test_student_is_scipys() -> None:
    sample = np.random.default_rng(4).normal(size=12)
    expected = stats.ttest_1samp(sample, 0.0).confidence_interval(0.95)
    computed = student(sample.mean(), sample.std(ddof=1) / np.sqrt(12), 11)
    assert computed == pytest.approx((expected.low, expected.high))


def test_resampled_means_have_the_bootstraps_moments() -> None:
    sample = np.random.default_rng(6).random((40, 3))
    means = bootstrap_means(sample, resamples=20_000)
    assert means.mean(axis=0) == pytest.approx(sample.mean(axis=0), abs=0.003)
    assert means.std(axis=0) == pytest.approx(sample.std(axis=0) / np.sqrt(40), rel=0.03)


def test_chunks_do_not_change_what_is_covered() -> None:
    pieces = chunks(10_000, 5_000)
    assert len(pieces) > 1
    assert pieces[0][0] == 0
    assert pieces[-1][1] == 10_000
    assert all(left[1] == right[0] for left, right in itertools.pairwise(pieces))


def test_sign_flips_have_mean_zero_and_the_right_spread() -> None:
    sample = np.random.default_rng(8).random(37)
    means = sign_flipped_means(sample, resamples=20_000, rng=generator(1))[:, 0]
    assert means.mean() == pytest.approx(0.0, abs=0.003)
    assert means.std() == pytest.approx(np.sqrt((sample**2).sum()) / 37, rel=0.03)

"""Cluster-robust variances against statsmodels' OLS and by construction."""

import numpy as np
import pytest
import statsmodels.api as sm

from harness.evidence.stats import clusters as by_cluster


def test_codes_give_examples_without_a_group_their_own() -> None:
    codes = by_cluster.codes(["a", None, "b", "a", None])
    assert by_cluster.count(codes) == 4
    assert codes[0] == codes[3]
    assert len({codes[0], codes[1], codes[2], codes[4]}) == 4


def test_variance_is_that_of_statsmodels_clustered_ols() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 12, 90)
    values = rng.random(90) + 0.3 * rng.random(12)[groups]
    model = sm.OLS(values, np.ones(90)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    count = len(np.unique(groups))
    codes = by_cluster.codes([str(group) for group in groups])
    expected = model.cov_params()[0, 0] * count / (count - 1)
    assert by_cluster.mean_variance(values, codes)[0] == pytest.approx(expected)


def test_single_examples_give_the_usual_variance() -> None:
    values = np.random.default_rng(2).random((40, 3))
    codes = by_cluster.codes([None] * 40)
    assert by_cluster.mean_variance(values, codes) == pytest.approx(values.var(axis=0, ddof=1) / 40)


def test_copies_of_an_example_add_no_information() -> None:
    values = np.random.default_rng(3).random(25)
    once = by_cluster.mean_variance(values, by_cluster.codes([None] * 25))[0]
    copied = np.repeat(values, 4)
    codes = by_cluster.codes([str(i // 4) for i in range(100)])
    assert by_cluster.mean_variance(copied, codes)[0] == pytest.approx(once)


def test_cluster_bootstrap_has_the_cluster_robust_spread() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(60), 5)
    values = 0.5 + 0.3 * rng.normal(size=60)[groups] + 0.1 * rng.normal(size=300)
    codes = by_cluster.codes([str(group) for group in groups])
    means = by_cluster.bootstrap(values, codes, resamples=10_000)
    assert means.std() == pytest.approx(np.sqrt(by_cluster.mean_variance(values, codes)[0]), rel=0.05)
    assert means.std() > 1.8 * values.std() / np.sqrt(300), "ignoring the groups would be far too sure"


def test_one_cluster_has_no_variance_to_show() -> None:
    assert np.isnan(by_cluster.mean_variance(np.arange(5.0), by_cluster.codes(["a"] * 5))[0])

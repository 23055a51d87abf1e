"""Cluster-robust variances against statsmodels' OLS and by construction."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import linalg

from harness.evidence.stats import clusters as by_cluster


def test_codes_give_examples_without_a_group_their_own() -> None:
    codes = by_cluster.codes(["a", None, "b", "a", None])
    assert by_cluster.count(codes) == 4
    assert codes[0] == codes[3]
    assert len({codes[0], codes[1], codes[2], codes[4]}) == 4


def test_variance_is_that_of_statsmodels_clustered_ols_where_clusters_have_one_size() -> None:
    rng = np.random.default_rng(1)
    groups = rng.permutation(np.repeat(np.arange(12), 8))
    values = rng.random(96) + 0.3 * rng.random(12)[groups]
    model = sm.OLS(values, np.ones(96)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "df_correction": True}
    )
    codes = by_cluster.codes([str(group) for group in groups])
    assert by_cluster.mean_variance(values, codes)[0] == pytest.approx(model.cov_params()[0, 0])
    assert by_cluster.degrees_of_freedom(codes) == 11


def test_clusters_of_many_sizes_have_the_variance_and_degrees_of_freedom_of_their_definition() -> None:
    """CR2 and degrees of freedom of Bell and McCaffrey, and of Imbens and Kolesár, with whole matrices."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(6), [1, 2, 3, 5, 9, 20])
    values = 0.5 * rng.random(40) + np.array([0.1, 0.9, 0.4, 0.8, 0.2, 0.6])[groups]
    n, residuals, centring = 40, values - values.mean(), np.eye(40) - 1 / 40
    adjusted = np.zeros((n, 6))
    for group in range(6):
        own = groups == group
        adjustment = linalg.sqrtm(linalg.inv(centring[np.ix_(own, own)])).real
        adjusted[:, group] = centring[:, own] @ adjustment @ np.ones(own.sum())
    codes = by_cluster.codes([str(group) for group in groups])
    assert by_cluster.mean_variance(values, codes)[0] == pytest.approx(
        ((adjusted.T @ values) ** 2).sum() / n**2
    )
    within = groups[:, None] == groups[None, :]
    pairs = within & ~np.eye(n, dtype=bool)
    correlation = np.outer(residuals, residuals)[pairs].mean() / residuals.var()
    assert 0.2 < correlation < 1, "the sizes would not matter otherwise"
    assert by_cluster.within_correlation(values, codes) == pytest.approx(correlation)
    for supposed in (0.0, correlation):
        moments = adjusted.T @ np.where(pairs, supposed, np.eye(n)) @ adjusted
        expected = np.trace(moments) ** 2 / np.trace(moments @ moments)
        assert by_cluster.degrees_of_freedom(codes, supposed) == pytest.approx(expected)
        assert expected < 3, "six groups, of which one holds half of the examples, are worth hardly three"


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


def test_examples_of_a_group_tell_as_much_as_they_differ() -> None:
    rng = np.random.default_rng(5)
    codes = by_cluster.codes([str(i // 20) for i in range(4_000)])
    assert by_cluster.design_effect(rng.random(4_000), codes) == pytest.approx(1, abs=0.3)
    assert by_cluster.design_effect(np.repeat(rng.random(200), 20), codes) == pytest.approx(20, rel=0.01)
    assert by_cluster.design_effect(np.zeros(4_000), codes) == 20
    assert by_cluster.effective_count(codes) == 200
    assert by_cluster.effective_count(by_cluster.codes(["a"] * 90 + [None] * 10)) == pytest.approx(
        1.2, abs=0.05
    )

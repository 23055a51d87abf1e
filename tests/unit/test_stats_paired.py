"""Paired tests against scipy and statsmodels."""

import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar

from harness.evidence.stats import paired


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (1, 0), (5, 5), (12, 3), (3, 12), (40, 70)])
def test_mcnemar_is_statsmodels(wins: int, losses: int) -> None:
    table = [[30, wins], [losses, 20]]
    expected = 1.0 if wins + losses == 0 else reference_mcnemar(table, exact=True).pvalue
    assert paired.mcnemar(wins, losses) == pytest.approx(min(1.0, expected))


def test_few_sign_flips_are_enumerated_exactly() -> None:
    differences = np.array([0.5, 0.2, -0.1, 0.4, 0.0, 0.3, 0.7])
    signs = itertools.product([-1, 1], repeat=6)
    nonzero = differences[differences != 0]
    sums = [abs(np.dot(pattern, nonzero)) for pattern in signs]
    expected = np.mean([total >= abs(nonzero.sum()) - 1e-12 for total in sums])
    assert paired.sign_flip(differences)[0] == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1])
def test_many_sign_flips_agree_with_scipys_permutation_test(shift: float) -> None:
    rng = np.random.default_rng(7)
    first, second = rng.random(60) + shift, rng.random(60)
    expected = stats.permutation_test(
        (first, second),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).pvalue
    computed = paired.sign_flip(first - second, resamples=20_000)[0]
    assert computed == pytest.approx(expected, abs=0.02 if expected > 0.1 else 0.004)


def test_sign_flip_of_binary_differences_is_mcnemar() -> None:
    differences = np.array([1.0] * 40 + [-1.0] * 22 + [0.0] * 138)
    exact = paired.mcnemar(40, 22)
    assert paired.sign_flip(differences, resamples=40_000)[0] == pytest.approx(exact, abs=0.005)


def test_p_is_never_zero_and_is_one_without_differences() -> None:
    columns = np.stack([np.ones(50), np.zeros(50)], axis=1)
    p_values = paired.sign_flip(columns, resamples=1_000)
    assert p_values[0] == pytest.approx(2.0**-49), "all 50 signs alike, either way: exactly known"
    assert p_values[1] == 1.0


def test_imaginary_pair_is_the_adjusted_wald_interval_of_bonett_and_price() -> None:
    wins, losses, n = 9, 2, 60
    differences = np.array([1.0] * wins + [-1.0] * losses + [0.0] * (n - wins - losses))
    p_win, p_loss = (wins + 1) / (n + 2), (losses + 1) / (n + 2)
    expected = np.sqrt((p_win + p_loss - (p_win - p_loss) ** 2) / (n + 2))
    centre, se = paired.with_imaginary_pair(differences)
    assert centre == pytest.approx(p_win - p_loss)
    assert se == pytest.approx(expected)


def test_identical_answers_do_not_prove_that_no_answer_ever_differs() -> None:
    for binary in (True, False):
        low, high = paired.interval(np.zeros(50), binary=binary)
        assert low[0] < -0.02
        assert high[0] > 0.02


def test_graded_interval_contains_both_bca_and_student() -> None:
    differences = np.random.default_rng(9).beta(0.5, 3.0, 40) - 0.05
    low, high = paired.interval(differences, binary=False)
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert low[0] <= expected.low + 1e-12
    assert high[0] > expected.high, "the long tail is on the right"


def test_wins_and_losses_ignore_ties() -> None:
    assert paired.wins_and_losses(np.array([0.2, 0.0, -0.5, 1.0])) == (2, 1)


def test_a_group_that_holds_most_of_the_sum_does_not_overflow_the_tail() -> None:
    """Of 17 groups one was lost by 525 examples: as unlikely as that the signs of the others are as they are."""
    others = np.array([-1, -2, -3, -1, 2, -3, -1, -3, -1, -1, -2, -1, -1, -3, -25, -1], dtype=float)
    patterns = (2 * (np.arange(2**16)[:, None] >> np.arange(16) & 1) - 1) @ others
    exact = float((patterns <= others.sum()).mean())
    assert paired._tail(np.append(others, -525.0)) == pytest.approx(exact, rel=0.5)

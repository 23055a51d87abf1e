"""Confidence sequences, e-values and the order of asking, against worked examples and what they promise."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.evidence.aggregate import gather
from harness.evidence.anytime import asymptotic, betting
from harness.evidence.anytime.claims import ERROR
from harness.evidence.anytime.e_values import e_holm
from harness.evidence.anytime.order import beginning, order
from harness.evidence.anytime.sequences import sequence
from harness.evidence.common_examples import common_ids
from harness.evidence.verdict import decide
from tests.simulate import looked_at
from tests.simulate.world import World, run

IDS = [f"e{i}" for i in range(60)]


def alone(values: np.ndarray, *, many: bool = False):  # type: ignore[no-untyped-def]
    """A sequence of independent examples in the order given."""
    n = len(values)
    return sequence(values, np.arange(n), np.arange(n, dtype=np.float64), many=many)


def test_the_order_is_the_same_for_everybody_and_a_longer_beginning_holds_a_shorter_one() -> None:
    none = [None] * len(IDS)
    ordered = [IDS[i] for i in order(IDS, none)]
    assert ordered != IDS
    turned = IDS[::-1]
    assert [turned[i] for i in order(turned, none)] == ordered
    assert beginning(IDS, none, 16) == set(ordered[:16])
    assert beginning(IDS, none, 16) < beginning(IDS, none, 24)
    assert beginning(IDS, none, 0) == frozenset()
    assert beginning(IDS, none, 1_000) == set(IDS)


def test_the_order_owes_nothing_to_the_label() -> None:
    """Sorted by label, the first half of the order holds half of each label, as chance has it."""
    ids = [f"e{i}" for i in range(2_000)]
    first = beginning(ids, [None] * len(ids), 1_000)
    count = sum(id_ in first for id_ in ids[:1_000])
    assert stats.binomtest(count, 1_000).pvalue > 0.001


def test_a_group_is_asked_whole() -> None:
    groups = [f"g{i // 7}" for i in range(len(IDS))]
    for count in (1, 8, 20):
        chosen = beginning(IDS, groups, count)
        assert len(chosen) >= count
        for _, members in itertools.groupby(zip(IDS, groups, strict=True), key=lambda pair: pair[1]):
            assert len({id_ in chosen for id_, _ in members}) == 1


def test_the_wealth_is_what_the_players_have() -> None:
    """Three wins, one loss against a mean of 0: by hand, the average over the stakes of (1 + s)³ (1 - s)."""
    values = np.array([1.0, 1.0, -1.0, 1.0])[:, None]
    by_hand = np.mean((1 + betting.STAKES) ** 3 * (1 - betting.STAKES))
    wealth = betting.log_wealth(values, np.ones(4), np.zeros(1))
    assert math.exp(wealth[-1, 0]) == pytest.approx(by_hand)


@pytest.mark.parametrize("many", [False, True])
def test_refuting_a_mean_refutes_all_that_are_smaller(many: bool) -> None:
    values = np.random.default_rng(1).uniform(-1, 1, 400) * 0.5 + 0.1
    process = alone(values, many=many)
    evidence = [process.log_evidence(mean).max() for mean in np.linspace(-0.9, 0.9, 19)]
    assert evidence == sorted(evidence, reverse=True)


@pytest.mark.parametrize("many", [False, True])
def test_a_sequence_turned_round_is_turned_round(many: bool) -> None:
    values = np.random.default_rng(2).choice([-1.0, -0.5, 0.0, 0.5, 1.0], 600, p=[0.1, 0.1, 0.3, 0.2, 0.3])
    low, high = alone(values, many=many).interval(0.05)
    turned = alone(-values, many=many).interval(0.05)
    assert turned == pytest.approx((-high, -low), abs=1e-5)
    assert low < values.mean() < high


def test_wealth_rarely_ever_reaches_what_it_must_not() -> None:
    """Ville's inequality: over 500 fair games of 300 examples the wealth ever reaches 20 in at most 5 % of them."""
    rng = np.random.default_rng(3)
    fair = rng.choice([-1.0, 0.0, 1.0], (300, 500), p=[0.3, 0.4, 0.3])
    reached = betting.log_wealth(fair, np.ones(300), np.zeros(500)).max(axis=0) >= math.log(20)
    assert reached.mean() <= 0.05
    graded = rng.uniform(-0.6, 0.6, (1_000, 500))
    reached = asymptotic.log_evidence(graded, np.ones(1_000), np.zeros(500)).max(axis=0) >= math.log(20)
    assert reached.mean() <= 0.05


def test_before_its_burn_in_the_asymptotic_method_says_nothing() -> None:
    logs = asymptotic.log_evidence(
        np.full((250, 1), 0.9) + 1e-3 * np.arange(250)[:, None], np.ones(250), np.zeros(1)
    )
    assert not logs[: asymptotic.BURN_IN - 1].any()
    assert logs[asymptotic.BURN_IN - 1, 0] > 0


def test_adjusted_e_values_are_the_least_average_over_every_set() -> None:
    """Against the definition, all subsets counted out."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        values = rng.exponential(10, 5)
        adjusted = np.exp(e_holm(np.log(values)))
        for i, value in enumerate(values):
            others = [float(v) for j, v in enumerate(values) if j != i]
            least = min(
                np.mean([value, *chosen])
                for size in range(5)
                for chosen in itertools.combinations(others, size)
            )
            assert adjusted[i] == pytest.approx(least)


def test_the_adjustment_of_many_moments_is_that_of_each() -> None:
    logs = np.random.default_rng(5).normal(size=(7, 4))
    assert e_holm(logs) == pytest.approx(np.stack([e_holm(row) for row in logs]))


def test_looking_after_every_example_makes_no_false_winners() -> None:
    """The short form; `make simulate` has 1,000 runs of each."""
    for recipes in (2, 6):
        world = World(n=120, recipes=recipes, trained=False)
        false, peeked = looked_at.false_winners(world, 60)
        assert false <= 5
        assert peeked > 5


def test_a_clear_lead_is_shown_soon_after_the_fixed_number() -> None:
    median, within, fixed = looked_at.examples_to_claim(
        World(n=200, recipes=2, behind=(0.4, 0.0), trained=False), 30
    )
    assert within == 100
    assert fixed <= median <= 3 * fixed


def test_groups_count_as_what_is_independent() -> None:
    """Twenty examples of two groups, all won: nothing is shown. Of twenty groups: it is."""
    values = np.ones(20)
    few = sequence(values, np.repeat([0, 1], 10), np.arange(20.0), many=False)
    assert few.interval(ERROR)[0] < 0
    assert alone(values).interval(ERROR)[0] > 0


def early(means: dict[str, float], *, n: int, planned: int | None) -> list:  # type: ignore[type-arg]
    return [
        replace(run(name, [float(i < mean * n) for i in range(n)]), planned=planned)
        for name, mean in means.items()
    ]


def test_a_full_run_is_judged_as_before_and_a_stopped_one_by_sequences() -> None:
    scores = {"a": 0.2, "b": 0.8}
    (full,) = decide("t", "m", "exact", 0.02, early(scores, n=60, planned=None)).comparisons
    (stopped,) = decide("t", "m", "exact", 0.02, early(scores, n=60, planned=200)).comparisons
    assert (full.anytime, stopped.anytime) == (False, True)
    assert stopped.difference == full.difference
    assert stopped.high - stopped.low > full.high - full.low
    assert stopped.outcome == "better"
    assert "whenever one looks" in stopped.method


def test_what_training_may_change_is_allowed_for() -> None:
    from harness.evidence.verdict_types import Cost

    for lead, holds_for_another_seed in ((0.08, False), (0.12, True)):
        plain = early({"a": 0.5, "b": 0.5 + lead}, n=1_500, planned=2_000)
        trained = [plain[0], replace(plain[1], cost=Cost(train_seconds=60.0, trainable_parameters=10))]
        (sure,) = decide("t", "m", "exact", 0.02, plain).comparisons
        (pair,) = decide("t", "m", "exact", 0.02, trained).comparisons
        assert (sure.outcome, sure.provisional) == ("better", False)
        assert (pair.outcome, pair.provisional) == ("better", not holds_for_another_seed)
        assert pair.high - pair.low >= sure.high - sure.low


def test_a_recipe_that_stopped_before_the_others_takes_no_examples_from_them() -> None:
    runs = [*early({"a": 0.5, "b": 0.6}, n=60, planned=None), *early({"c": 0.1}, n=40, planned=60)]
    assert len(common_ids(gather(runs))) == 60
    verdict = decide("t", "m", "exact", 0.02, runs)
    assert {s.recipe: s.n for s in verdict.summaries} == {"a": 60, "b": 60, "c": 40}
    assert verdict.n == 60
    assert any("c after 40 of 60 examples. 20 of 180 answers" in note for note in verdict.notes)
    assert verdict.comparison("a", "b").anytime is False  # type: ignore[union-attr]
    assert verdict.comparison("a", "c").anytime is True  # type: ignore[union-attr]

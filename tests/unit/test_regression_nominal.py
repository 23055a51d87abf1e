"""Gate and history on runs whose truth is known: false alarms at the nominal rates, real losses found.

Scores are made as `answer = ability − difficulty`, most of the difficulty shared by all runs (60 % of the
variance is the example's, 20 % the recipe's with the example, 20 % one run's), and training moves a run's
mean by so many points. Bounds are the nominal rate plus three standard errors of so many replications.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.benchmarks.forgetting import _compared
from harness.evidence.stats import clusters, seeds
from harness.regression import benchmark_checks, change_points, example_flips, metric_check
from harness.regression.gate import judge
from harness.regression.gate_rules import Rules
from harness.regression.metric_check import Pairs, check
from harness.regression.upgrade import Cells, effect, exit_code, replay
from harness.results.records.benchmark import BenchmarkRecord
from tests.unit.regress_kit import snapshot

Floats = NDArray[np.float64]
MARGIN, ABILITY = 0.02, 0.3
RULES = Rules(margins={"primary": MARGIN})
TRAINED = {"name": "lora", "data": {}, "base": {}, "weights": [{"kind": "lora"}], "program": {}}


def _binary(gap: Floats) -> Floats:
    return (gap > 0).astype(float)


def _graded(gap: Floats) -> Floats:
    return np.clip(0.25 + 0.45 * gap, 0.0, 1.0)


KINDS: dict[str, Callable[[Floats], Floats]] = {"binary": _binary, "graded": _graded}


def _runs(rng: np.random.Generator, kind: str, n: int, runs: int, noise: float) -> Floats:
    """Scores (runs, n) of one recipe, whose mean training moves by `noise` (a standard deviation)."""
    shared = math.sqrt(0.8) * rng.normal(size=(1, n))
    grid = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    slope = (KINDS[kind](ABILITY + 0.05 - grid) - KINDS[kind](ABILITY - 0.05 - grid)).mean() / 0.1
    ability = ABILITY + noise / slope * rng.normal(size=(runs, 1))
    return KINDS[kind](ability - shared - math.sqrt(0.2) * rng.normal(size=(runs, n)))


def _at_most(count: int, of: int, rate: float) -> bool:
    return count <= of * rate + 3 * math.sqrt(of * rate * (1 - rate))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("noise", "reruns"), [(0.0, 0), (0.03, 0), (0.02, 1), (0.03, 2)])
def test_a_trained_run_against_its_equal_is_seldom_red_with_and_without_a_floor(
    kind: str, noise: float, reruns: int
) -> None:
    rng, red, times, n = np.random.default_rng(5), 0, 200, 200
    for _ in range(times):
        scores = _runs(rng, kind, n, 2 + reruns, noise)
        floor = seeds.training_noise(scores[[0, *range(2, 2 + reruns)]], np.arange(n)) if reruns else None
        pairs = Pairs(
            metric="primary", before=scores[0], after=scores[1], groups=[None] * n,
            binary=kind == "binary", noise=floor, bound=1.0, trained=True,
        )  # fmt: skip
        red += check(pairs, MARGIN).state == "regression"
    assert _at_most(red, times, 0.025)


def test_a_large_loss_of_a_trained_run_is_red_without_a_floor_and_says_provisional() -> None:
    old = snapshot([1.0] * 160 + [0.0] * 40, recipe=TRAINED)
    new = snapshot([1.0] * 110 + [0.0] * 90, recipe=TRAINED)
    gate = judge(new, old, RULES)
    assert (gate.exit_code, gate.provisional) == (1, True)
    assert "provisional" in gate.sentence
    assert any("--aa 3" in note for note in gate.notes)


def test_a_loss_that_another_seed_explains_is_not_red_until_the_floor_is_measured() -> None:
    old = snapshot([1.0] * 900 + [0.0] * 100, recipe=TRAINED)
    new = snapshot([1.0] * 860 + [0.0] * 140, recipe=TRAINED)
    (unknown,) = judge(new, old, RULES).checks
    assert (unknown.state, unknown.provisional) == ("inconclusive", True)
    assert "another seed could explain it" in unknown.reason
    floor = {"variance": 0.005**2, "df": 8.0, "runs": 9}
    (known,) = judge(new, snapshot([1.0] * 900 + [0.0] * 100, recipe=TRAINED, noise=floor), RULES).checks
    assert (known.state, known.provisional) == ("regression", False)
    # What nobody trained has no noise of training.
    prompted = judge(snapshot([1.0] * 860 + [0.0] * 140), snapshot([1.0] * 900 + [0.0] * 100), RULES)
    assert (prompted.verdict, prompted.provisional) == ("regression", False)


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("n", [1, 2, 20])
def test_a_run_against_its_own_pin_passes_at_any_size(n: int, trained: bool) -> None:
    more = {"recipe": TRAINED} if trained else {}
    values = [float(i % 2) for i in range(n)]
    gate = judge(snapshot(values, **more), snapshot(values, **more), RULES)
    assert (gate.verdict, gate.exit_code, gate.provisional) == ("passed", 0, False)
    assert "both gave the same answers" in gate.checks[0].reason


def test_equal_scores_of_other_answers_do_not_pass_at_twenty_examples() -> None:
    old, new = snapshot([1.0] * 20), snapshot([1.0] * 20)
    other = [type(s)(**(vars(s) | {"output": "said otherwise"})) for s in new.samples]
    gate = judge(type(new)(**(vars(new) | {"samples": tuple(other)})), old, RULES)
    assert gate.verdict == "inconclusive"


@pytest.mark.parametrize("documents", [100, 500])
def test_ten_forgetting_tasks_are_seldom_red_together(documents: int) -> None:
    rng, red, times = np.random.default_rng(3), 0, 40
    row = BenchmarkRecord(task="b", metric="acc")
    for _ in range(times):
        states = set()
        for _ in range(10):
            before, after = _runs(rng, "binary", documents, 2, 0.0)
            result = _compared("r", "b", row, before, after)
            states.add(benchmark_checks.forgetting("b", MARGIN, result, total=11).state)
        red += "regression" in states
    assert _at_most(red, times, 0.05)


def test_real_forgetting_is_still_red_among_eleven_metrics() -> None:
    before = np.array([1.0] * 300 + [0.0] * 200)
    result = _compared(
        "r", "b", BenchmarkRecord(task="b", metric="acc"), before, np.where(np.arange(500) < 60, 0.0, before)
    )
    assert benchmark_checks.forgetting("b", MARGIN, result, total=11).state == "regression"


def _grouped(rng: np.random.Generator, groups: int, loss: float = 0.0) -> Pairs:
    """Graded scores of groups of 40 whose means move together by 5 points."""
    moved = np.repeat(0.05 * rng.normal(size=groups) - loss, 40) + 0.2 * rng.normal(size=groups * 40)
    names = [f"g{i // 40}" for i in range(groups * 40)]
    return Pairs(
        metric="primary", before=np.clip(0.5 - moved / 2, 0, 1), after=np.clip(0.5 + moved / 2, 0, 1), groups=names,
        bound=1.0,
    )  # fmt: skip


def test_one_group_says_nothing_and_few_are_warned_of() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        one = check(_grouped(rng, 1), MARGIN)
        assert (one.state, one.low, one.examples_needed) == ("inconclusive", -1.0, None)
        assert "one group" in one.reason
    few = check(_grouped(rng, 5), 0.5)
    assert (few.state, few.reason) == ("passed", "only 5 groups: the interval is rough")
    assert check(_grouped(rng, 10), 0.5).reason == ""


@pytest.mark.parametrize("groups", [2, 5, 10, 20])
def test_groups_that_move_together_are_seldom_red_and_a_real_loss_is_found(groups: int) -> None:
    rng, times = np.random.default_rng(groups), 200
    red = sum(check(_grouped(rng, groups), MARGIN).state == "regression" for _ in range(times))
    assert _at_most(red, times, 0.025)
    if groups >= 5:
        lost = sum(check(_grouped(rng, groups, loss=0.3), MARGIN).state == "regression" for _ in range(50))
        assert lost >= 48


@pytest.mark.parametrize("groups", [5, 10, 20])
def test_a_tenth_of_the_groups_lost_whole_is_seldom_called_not_worse(groups: int) -> None:
    rng, passed, times = np.random.default_rng(1), 0, 200
    names = [f"g{i // 20}" for i in range(groups * 20)]
    for _ in range(times):
        lost = np.repeat(rng.random(groups) < 0.1, 20)
        pairs = Pairs(
            metric="primary",
            before=np.ones(groups * 20),
            after=1.0 - lost,
            groups=names,
            binary=True,
            bound=1.0,
        )
        passed += check(pairs, MARGIN).state == "passed"
    assert _at_most(passed, times, 0.025)


@pytest.mark.parametrize("grouped", [False, True])
def test_losses_gather_nowhere_when_nothing_changed(grouped: bool) -> None:
    rng, named, times, n = np.random.default_rng(7), 0, 80, 300
    size = 5 if grouped else 1
    groups = [f"g{i // size}" for i in range(n)]
    for _ in range(times):
        kinds = np.repeat(rng.integers(0, 6, n // size), size)
        before, after = (np.repeat(rng.random((2, n // size)) < 0.6, size, axis=1)).astype(float)
        meta = [{"kind": f"k{kind}"} for kind in kinds]
        flips = example_flips.between(
            snapshot(before.tolist(), groups=groups), snapshot(after.tolist(), groups=groups, meta=meta)
        )
        named += bool(flips.categories)
    assert _at_most(named, times, 0.05)


def test_a_category_that_is_lost_in_every_group_of_it_is_named_and_one_group_alone_is_not() -> None:
    groups = [f"g{i // 5}" for i in range(300)]
    meta = [{"kind": f"k{i // 50}", "document": f"d{i // 5}"[:3]} for i in range(300)]
    after = [0.0 if 50 <= i < 100 else 1.0 for i in range(300)]
    flips = example_flips.between(
        snapshot([1.0] * 300, groups=groups), snapshot(after, groups=groups, meta=meta)
    )
    assert ("kind", "k1") in {(category.field, category.value) for category in flips.categories}
    alone = [0.0 if i < 150 else 1.0 for i in range(300)]
    halves = [f"g{i // 150}" for i in range(300)]
    half = [{"side": f"s{i // 150}"} for i in range(300)]
    flips = example_flips.between(
        snapshot([1.0] * 300, groups=halves), snapshot(alone, groups=halves, meta=half)
    )
    assert flips.categories == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("runs", [4, 10])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_seeds_of_one_recipe_are_no_change_point(kind: str, runs: int, noise: float) -> None:
    rng, times, n = np.random.default_rng(11), 100, 200
    marked = sum(
        change_points.step(_runs(rng, kind, n, runs, noise), np.arange(n)) is not None for _ in range(times)
    )
    assert _at_most(marked, times, 0.05)


@pytest.mark.parametrize("n", [120, 200, 1000])
@pytest.mark.parametrize("runs", [4, 10, 20])
def test_a_lasting_loss_of_five_points_between_identical_answers_is_found_in_its_place(
    n: int, runs: int
) -> None:
    rng = np.random.default_rng(n)
    old = (rng.random(n) < 0.62).astype(float)
    new = old.copy()
    new[rng.choice(np.flatnonzero(old), round(0.05 * n), replace=False)] = 0.0
    result = change_points.step(np.array([old] * (runs // 2) + [new] * (runs - runs // 2)), np.arange(n))
    assert result is not None
    assert result.first == result.start == result.last == runs // 2
    assert result.low <= -0.05 <= result.high < 0


def test_identical_runs_and_runs_of_one_group_have_no_change_point() -> None:
    same = np.ones((10, 50))
    assert change_points.step(same, np.arange(50)) is None
    same[5:, :10] = 0.0
    assert change_points.step(same, np.zeros(50, dtype=np.intp)) is None
    assert change_points.step(same[3:6], np.arange(50)) is None  # three runs


def test_a_step_of_independent_answers_is_found_with_its_size_and_place() -> None:
    rng, result, sized, placed = np.random.default_rng(2), 0, 0, 0
    for _ in range(60):
        index = int(rng.integers(3, 8))
        shares = np.where(np.arange(10) < index, 0.7, 0.55)[:, None]
        step = change_points.step((rng.random((10, 300)) < shares).astype(float), np.arange(300))
        if step is not None:
            result += 1
            sized += step.low <= -0.15 <= step.high
            placed += step.first <= index <= step.last
    assert result >= 50
    assert sized >= 0.95 * result - 3
    assert placed >= 0.9 * result - 3


def test_a_single_split_is_welch_free_students_t_of_two_samples_of_runs() -> None:
    """Examples that all move alike leave only the spread between runs: the pooled two-sample t test."""
    rng = np.random.default_rng(4)
    means = np.concatenate([0.6 + 0.01 * rng.normal(size=5), 0.5 + 0.01 * rng.normal(size=5)])
    values = np.repeat(means[:, None], 40, axis=1)
    split = change_points._split(values, clusters.codes([None] * 40), 5)
    expected = stats.ttest_ind(means[:5], means[5:])
    assert split.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert split.df == expected.df


@pytest.mark.parametrize("n", [1, 2, 5])
def test_bounded_scores_have_bounded_intervals(n: int) -> None:
    sides = {name: snapshot([float(i % 2) for i in range(n)]) for name in ("new", "old", "a", "b")}
    total = effect(sides, {"new": 1, "old": -1}, None)
    assert -1.0 <= total.low <= 0.0 <= total.high <= 1.0
    both = effect(sides, {"new": 1, "a": -1, "old": -1, "b": 1}, metric_check.ASSUMED)
    assert -2.0 <= both.low <= 0.0 <= both.high <= 2.0
    gate = judge(sides["new"], snapshot([float((i + 1) % 2) for i in range(n)]), RULES)
    (only,) = gate.checks
    assert only.low is None or only.low >= -1.0


def test_an_upgrade_with_the_same_answers_says_so_and_claims_nothing_that_its_interval_does_not() -> None:
    two = Cells(old=snapshot([1.0, 0.0]), new=snapshot([1.0, 0.0]))
    reason = replay("r", two, MARGIN).reason
    assert reason.endswith(", the same answers")
    assert "not worse" not in reason


def test_the_upgrade_exits_as_the_gate_does() -> None:
    good, bad = [1.0] * 300 + [0.0] * 100, [1.0] * 200 + [0.0] * 200
    made = {
        "same": replay("r", Cells(old=snapshot(good), new=snapshot(good)), MARGIN),
        "worse": replay("r", Cells(old=snapshot(good), new=snapshot(bad)), MARGIN),
        "unclear": replay("r", Cells(old=snapshot(good[:8]), new=snapshot(bad[:8][::-1])), MARGIN),
    }
    made["unclear"] = replay("r", Cells(old=snapshot([1.0, 0.0] * 4), new=snapshot([0.0, 1.0] * 4)), MARGIN)
    assert [made[name].answer for name in ("same", "worse", "unclear")] == [
        "upgrade_as_is",
        "stay",
        "inconclusive",
    ]
    assert exit_code([made["same"]]) == 0
    assert exit_code([made["unclear"], made["worse"]]) == 1
    assert exit_code([made["same"], made["unclear"]]) == 4
    assert exit_code([made["same"], made["unclear"]], allow_inconclusive=True) == 0


def test_a_retrained_loss_that_a_seed_explains_does_not_say_stay() -> None:
    def side(right: int) -> object:
        return snapshot([1.0] * right + [0.0] * (1000 - right), recipe=TRAINED)

    cells = Cells(old=side(900), new=side(860), untuned_old=side(400), untuned_new=side(400))  # type: ignore[arg-type]
    unknown = replay("lora", cells, MARGIN)
    assert unknown.answer == "inconclusive"
    assert "another seed could explain it" in unknown.reason
    assert unknown.examples_needed is None
    known = replay("lora", cells, MARGIN, noise=seeds.TrainingNoise(0.004**2, 10.0))
    assert (known.answer, known.provisional) == ("stay", False)


def test_sides_of_an_upgrade_made_with_other_versions_are_named() -> None:
    old = snapshot([1.0] * 50, versions={"transformers": "4.1"})
    new = snapshot([1.0] * 50, versions={"transformers": "5.23"})
    (note,) = replay("r", Cells(old=old, new=new), MARGIN).notes
    assert "transformers: 4.1 → 5.23" in note

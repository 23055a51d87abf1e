"""What verdicts claim on made-up data of which the truth is known; the long form is `make simulate`."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.label_curve import label_curve
from harness.evidence.pairwise import compare
from harness.evidence.stats.intervals import wilson
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict import decide
from harness.evidence.verdict_types import Cost, RunScores
from tests.simulate import causes, coverage, curves
from tests.simulate.claims import count
from tests.simulate.coverage import Groups
from tests.simulate.world import World, run

TRAINED = Cost(train_seconds=60, trainable_parameters=1_000)


def decided(*runs: RunScores, **more: object):  # type: ignore[no-untyped-def]
    return decide("task", "model", "exact", 0.02, runs, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "world",
    [
        World(kind="binary", n=120, recipes=5, trained=False),
        World(kind="graded", n=60, recipes=2, trained=False),
        World(kind="zeros", n=40, recipes=2, trained=False),
        World(kind="binary", n=120, recipes=2, seeds=3, noise=0.02),
        World(kind="binary", n=200, recipes=2, group_size=10, icc=0.5, trained=False),
        World(kind="binary", n=60, recipes=12, trained=False),
    ],
    ids=["five", "graded", "mostly zero", "three seeds", "groups", "twelve"],
)
def test_equal_recipes_are_called_different_in_at_most_5_of_100(world: World) -> None:
    tally = count(world, 50)
    assert tally.false_claims <= 3
    assert tally.pairs_covered >= 47
    assert tally.means_covered >= 44
    assert tally.best_covered >= 44, "the interval of the one that was selected"


def test_one_training_seed_claims_provisionally_only() -> None:
    """Training noise of 3 points, 1,000 examples, one seed: the claims are false, and say what they rest on."""
    tally = count(World(n=1_000, recipes=3, noise=0.03), 30)
    assert tally.false_claims == 0
    assert tally.provisional >= 5


def test_a_known_noise_floor_makes_one_seed_sure_or_silent() -> None:
    rng = np.random.default_rng(1)
    plain, tuned = rng.random(1_000) < 0.50, rng.random(1_000) < 0.56
    runs = run("zero_shot", plain), run("lora", tuned, TRAINED)
    (alone,) = compare(gather(runs), 0.02)
    (known,) = compare(gather(runs), 0.02, {"lora": TrainingNoise(0.03**2, 8)})
    assert (alone.outcome, alone.provisional) == ("worse", True)
    assert (known.outcome, known.provisional) == ("inconclusive", False)
    with_one_more_run_of_2_points = ((8 * 0.03**2 + 0.02**2) / 9) ** 0.5
    assert known.training_se == pytest.approx(with_one_more_run_of_2_points)


def test_three_seeds_are_not_provisional_and_lend_their_noise_to_a_single_one() -> None:
    rng = np.random.default_rng(2)
    runs = [run("lora", rng.random(200) < 0.5, TRAINED, seed=seed) for seed in range(3)]
    pairs = compare(gather([*runs, run("full", rng.random(200) < 0.5, TRAINED)]), 0.02)
    assert not pairs[0].provisional
    assert pairs[0].training_se is not None


def test_a_true_difference_of_5_points_shows_as_often_as_before() -> None:
    """78 of 100 with two recipes and 1,000 examples, measured with the corrected p-values used before."""
    tally = count(World(n=1_000, recipes=2, behind=(0.05, 0.0), trained=False), 60, seed=3)
    assert tally.shown >= 0.75 * 60


@pytest.mark.parametrize("kind", ["binary", "graded"])
def test_worse_by_the_margin_is_hardly_ever_called_not_worse(kind: str) -> None:
    world = World(kind=kind, n=200, recipes=2, behind=(0.02, 0.0), trained=False)  # type: ignore[arg-type]
    assert count(world, 40).wrongly_not_worse <= 2


def test_what_decides_is_what_is_shown() -> None:
    """No interval excludes 0 without a claim, and none that reaches 0 comes with one."""
    rng = np.random.default_rng(4)
    for _ in range(6):
        world = World(kind="graded", n=60, recipes=5, behind=(0.1, 0.06, 0.04, 0.0, 0.0), trained=False)
        verdict = decided(*world.runs(rng))
        least = verdict.minimum_detectable_difference
        for pair in verdict.comparisons:
            inside = pair.low > -0.02 and pair.high < 0.02
            claimed = pair.outcome in ("better", "worse")
            assert claimed == ((pair.low > 0 or pair.high < 0) and not inside)
            assert pair.low <= pair.difference <= pair.high
            assert not claimed or pair.p_holm <= 0.05
            assert not claimed or least <= abs(pair.difference)


def test_thirty_graded_recipes_can_differ() -> None:
    rng = np.random.default_rng(5)
    runs = [
        run(f"r{i:02d}", np.clip(rng.normal(0.9 if i == 29 else 0.2, 0.05, 100), 0, 1), binary=False)
        for i in range(30)
    ]
    assert decided(*runs).winner == "r29"


def test_missing_answers_do_not_make_the_best() -> None:
    """One recipe fails on the hard half: on the easy half, which both answered, it is behind."""
    easy = np.arange(200) < 100
    failing = [float(i % 20 < 17) if easy[i] else None for i in range(200)]
    whole = [float(i % 33 > 0) if easy[i] else float(i % 5 < 3) for i in range(200)]
    verdict = decided(run("zero_shot", failing), run("bm25_rag", whole, Cost(prompt_tokens=900)))
    assert verdict.best == "bm25_rag"
    first = next(s for s in verdict.summaries if s.recipe == "zero_shot")
    assert (first.missing, first.mean, first.worst_case) == (100, 0.85, pytest.approx(0.425))
    assert any("42.5 if its 100 missing answers are all wrong" in reason for reason in verdict.reasons)


def test_an_open_pair_is_found_whichever_way_round_it_is_stored() -> None:
    """Nothing is trained, so that seeds cannot help: examples are what is missing."""
    few_shot = [0.0] * 40 + [1.0] * 24 + [1.0] * 250 + [0.0] * 86
    bm25 = [1.0] * 40 + [0.0] * 24 + [1.0] * 250 + [0.0] * 86
    verdict = decided(
        run("zero_shot", [0.0] * 400),
        run("few_shot", few_shot, Cost(prompt_tokens=500)),
        run("bm25_rag", bm25, Cost(prompt_tokens=900)),
    )
    assert "seeds" not in verdict.sentence
    assert "--seeds" not in verdict.next_step
    more = re.match(r"about ([\d,]+) more test examples would settle it", verdict.evidence[0])
    assert more is not None
    assert 400 < int(more[1].replace(",", "")) < 2_000


def test_one_group_proves_nothing_and_few_groups_are_said() -> None:
    rng = np.random.default_rng(6)
    values = rng.random(100), rng.random(100)
    for names, groups in ((["a"] * 100, 1), ([f"g{i // 25}" for i in range(100)], 4)):
        verdict = decided(
            run("a", values[0], binary=False, groups=names),
            run("b", values[1], Cost(prompt_tokens=900), binary=False, groups=names),
        )
        (pair,) = verdict.comparisons
        assert pair.groups == groups
        assert any("group" in reason for reason in verdict.reasons)
        if groups == 1:
            assert (pair.low, pair.high, pair.outcome) == (-1.0, 1.0, "inconclusive")
            assert "examples from more groups" in verdict.evidence[0]
            assert "--seeds" not in verdict.next_step
    assert mean_interval(gather([run("a", values[0], binary=False, groups=["a"] * 100)])[0]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("groups", "truth"), [(Groups(5, 20), 0.9), (Groups(10, 20), 0.9), (Groups(20, 20), 0.6)]
)
def test_rates_over_few_groups_cover(groups: Groups, truth: float) -> None:
    assert coverage.rate(groups, truth, 150) >= (90 if groups.count < 10 else 92)


@pytest.mark.parametrize("count_", [5, 20])
def test_whole_groups_lost_are_not_called_not_worse(count_: int) -> None:
    covered, wrong = coverage.lost_whole(Groups(count_, 20), 100, wins=0.0, losses=0.1)
    assert covered >= 93
    assert wrong == 0


@pytest.mark.parametrize("shape", ["equal", "skewed"])
def test_graded_pairs_over_groups_are_neither_too_sure_nor_too_wide(shape: coverage.Shape) -> None:
    """With degrees of freedom that suppose the correlation seen, the skewed ones cover more than 99 of 100."""
    covered, _ = coverage.two_grades(Groups(20, 10, 1.0, shape), 200, 0.2)
    assert 93 <= covered <= 99


@pytest.mark.parametrize("shape", ["equal", "skewed", "dominated"])
@pytest.mark.parametrize("noise", [0.01, 0.05])
def test_the_interval_holds_what_a_group_that_nobody_saw_would_change(
    noise: float, shape: coverage.Shape
) -> None:
    """Of 100 tests of twenty groups, 12 hold none of the tenth that is lost whole, and look as if none ever were."""
    covered, wrong = coverage.lost_whole(Groups(20, 50, shape=shape), 100, wins=0.0, losses=0.1, noise=noise)
    assert covered >= 95
    assert wrong <= 3


def test_not_worse_and_a_difference_are_still_shown_over_groups() -> None:
    rng = np.random.default_rng(8)
    names = [f"g{i // 4}" for i in range(2_000)]
    right = rng.random(2_000) < 0.7
    same = right ^ (rng.random(2_000) < 0.01)
    (level,) = compare(gather([run("a", right, groups=names), run("b", same, groups=names)]), 0.02)
    (ahead,) = compare(
        gather([run("a", right, groups=names), run("b", right & (rng.random(2_000) < 0.9), groups=names)]),
        0.02,
    )
    assert level.outcome == "equivalent"
    assert (ahead.outcome, ahead.low > 0.04, ahead.high < 0.1) == ("better", True, True)


@pytest.mark.parametrize("case", causes.CASES)
def test_triage_names_the_right_gap_and_chance_mends_nothing(case: str) -> None:
    assert causes.right(case, 12) == 100


@pytest.mark.parametrize("groups", [None, "alone"])
def test_chance_has_no_share_of_form_or_facts(groups: str | None) -> None:
    triage = causes.triage(causes.chance(0.5), np.random.default_rng(7))
    assert {share.gap: share.share for share in triage.shares if share.share > 0} == {"skill": 1.0}
    assert "No probe gains anything" in triage.sentence


@pytest.mark.parametrize("same", [[1.0, 0.0], [1.0] * 7 + [0.0] * 3])
def test_one_seed_advises_nothing_about_labels_and_ties_are_not_certain(same: list[float]) -> None:
    curve = label_curve("lora", {200: [run("x", same)], 400: [run("x", same)]}, {}, 0.02)
    assert (curve.worth_more, curve.provisional) == ("unclear", True)
    assert "--seeds 3" in curve.sentence
    assert curve.low is not None
    assert curve.low < -0.1


def test_a_flat_curve_is_not_worth_more_labels_and_a_steep_one_is() -> None:
    flat = curves.advice((0.26, 0.06, 0.0), seeds=3, noise=0.01, n=1_000, repeats=20)
    assert flat["yes"] <= 1
    steep = curves.advice((0.3, 0.15, 0.0), seeds=3, noise=0.0, n=1_000, repeats=10)
    assert steep["yes"] >= 9


def test_a_mean_near_0_stays_there_with_one_training_seed() -> None:
    values = [1.0] * 4 + [0.0] * 196
    prompted = mean_interval(gather([run("zero_shot", values)])[0])
    trained = mean_interval(gather([run("lora", values, TRAINED)])[0])
    assert prompted == pytest.approx(wilson(4, 200))
    assert trained[0] == 0.0
    assert prompted[1] + 0.03 < trained[1] < 0.15, "wider by what another training may change"
    nothing = mean_interval(gather([run("lora", [0.0] * 200, TRAINED)])[0])
    assert nothing == (0.0, pytest.approx(np.hypot(wilson(0, 200)[1], 1.96 * 0.04), abs=1e-4))


def test_a_claim_holds_with_the_assumed_noise_or_is_provisional() -> None:
    """The interval that is shown is the one that decided: with 4 points of training noise, or without."""
    runs = {right: run("b", [float(i % 100 < right) for i in range(1_000)], TRAINED) for right in (48, 75)}
    plain = run("a", [float(i % 100 < 40) for i in range(1_000)])
    near, far = (compare(gather([plain, tuned]), 0.02)[0] for tuned in runs.values())
    assert (far.outcome, far.provisional, far.training_se) == ("worse", False, pytest.approx(0.04))
    assert (near.outcome, near.provisional, near.training_se) == ("worse", True, None)
    assert near.high < 0


def test_two_seeds_that_agree_by_chance_do_not_make_a_claim_sure() -> None:
    rng = np.random.default_rng(9)
    plain, tuned = rng.random(1_000) < 0.50, [rng.random(1_000) < 0.545 for _ in range(2)]
    tuned[1] = tuned[1] & (tuned[1].cumsum() <= tuned[0].sum())
    runs = [run("lora", values, TRAINED, seed=seed) for seed, values in enumerate(tuned)]
    (pair,) = compare(gather([run("zero_shot", plain), *runs]), 0.02)
    assert pair.training_se is not None
    assert pair.training_se > 0.009, "one more run's worth of 2 points"


def test_all_right_in_five_groups_settles_nothing() -> None:
    groups = [f"g{i // 100}" for i in range(500)]
    verdict = decided(
        run("few_shot", [1.0] * 500, groups=groups),
        run("bm25", [1.0] * 500, Cost(prompt_tokens=900), groups=groups),
    )
    assert verdict.kind == "no_difference"
    alone = decided(run("few_shot", [1.0] * 40), run("bm25", [1.0] * 40, Cost(prompt_tokens=900)))
    assert alone.kind == "tie"
    assert "it has every answer right, and no other can have more" in alone.sentence


def test_another_seed_may_move_where_a_curve_overtakes() -> None:
    """With one seed a point, the interval of the crossing has room for another training."""
    shot = [run("few_shot", [float(i % 100 < 56) for i in range(1_000)])]
    points = {
        labels: [run("lora", [float((i * 7) % 100 < right) for i in range(1_000)])]
        for labels, right in ((100, 50), (200, 56), (400, 62))
    }
    (alone,) = label_curve("lora", points, {"few_shot": shot}, 0.02).overtakes
    twice = {labels: [*runs, run("lora", runs[0].values, seed=1)] for labels, runs in points.items()}
    (seeded,) = label_curve("lora", twice, {"few_shot": shot}, 0.02).overtakes
    assert alone.labels == pytest.approx(seeded.labels)
    assert alone.low is not None
    assert seeded.low is not None
    assert alone.low < seeded.low - 20


@pytest.mark.parametrize("value", [60.0, -0.1, float("nan")])
def test_scores_outside_0_to_1_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"b, example e1: exact is .*, not a score within \[0, 1\]"):
        decided(run("a", [0.0, 1.0]), run("b", [1.0, value]))

"""The verdict's rule on simulated runs: right claims, no invented winners, honest ignorance."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.random import Generator
from statsmodels.stats.multitest import multipletests

from harness.evidence.cost_order import cheapest_first
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict import Cost, RunScores, Verdict, decide

FREE = Cost(prompt_tokens=100)
SHOTS = Cost(prompt_tokens=800)
TRAINED = Cost(train_seconds=60, trainable_parameters=1_000, prompt_tokens=100, peak_memory_bytes=2 << 30)
DEAR = Cost(train_seconds=300, trainable_parameters=9_000, prompt_tokens=100, peak_memory_bytes=8 << 30)


def run(
    recipe: str,
    values: Sequence[float | None] | Floats,
    cost: Cost = FREE,
    *,
    seed: int = 0,
    binary: bool = True,
    groups: Sequence[str | None] | None = None,
    oracle: bool = False,
) -> RunScores:
    return RunScores(
        recipe=recipe,
        seed=seed,
        ids=tuple(f"e{i}" for i in range(len(values))),
        groups=tuple(groups or [None] * len(values)),
        values=tuple(None if value is None else float(value) for value in values),
        binary=binary,
        cost=cost,
        failures={"wrong_value": 3},
        oracle=oracle,
    )


QUIET = {name: TrainingNoise(0.0005**2, 1_000) for name in ("lora", "full")}
"""Training that was measured and hardly varies."""


def verdict(
    *runs: RunScores, margin: float = 0.02, noise: Mapping[str, TrainingNoise] | None = None
) -> Verdict:
    return decide("task", "model", "exact", margin, runs, noise=noise)


def answers(right: int, n: int, *, also_wrong: int = 0) -> Floats:
    """The first `right` of `n` are right, but for the first `also_wrong`."""
    values = (np.arange(n) < right).astype(float)
    values[:also_wrong] = 0.0
    return values


def test_a_clear_winner_is_named_with_its_advantage() -> None:
    found = verdict(run("zero_shot", answers(20, 200)), run("lora", answers(160, 200), TRAINED))
    assert (found.kind, found.winner, found.best) == ("winner", "lora", "lora")
    assert found.comparisons[0].outcome == "better"
    assert found.comparisons[0].difference == pytest.approx(0.7)
    assert found.sentence.startswith("Finetune. lora beats the best prompt, zero_shot, by 70.0 points")
    assert any("one seed" in reason for reason in found.reasons)


def test_the_cheapest_that_is_not_worse_wins_over_the_best() -> None:
    cheap, best = answers(1701, 2000, also_wrong=3), answers(1702, 2000)
    found = verdict(
        run("few_shot", cheap, SHOTS), run("full", best, DEAR), run("zero_shot", answers(200, 2000))
    )
    assert (found.kind, found.winner, found.best) == ("winner", "few_shot", "full")
    assert found.comparison("few_shot", "full").outcome == "equivalent"  # type: ignore[union-attr]
    assert found.leaders == ("few_shot", "full")
    assert any("none of the training time" in reason for reason in found.reasons)


def test_a_cheaper_recipe_that_may_be_worse_makes_it_inconclusive() -> None:
    rng = np.random.default_rng(1)
    truth = rng.random(150)
    cheap, dear = (truth + 0.2 * rng.normal(size=150) < 0.80), (truth + 0.2 * rng.normal(size=150) < 0.82)
    runs = [run("lora", cheap, TRAINED), run("full", dear, DEAR), run("zero_shot", answers(0, 150))]
    found = verdict(*runs, noise=QUIET)
    assert (found.kind, found.winner) == ("inconclusive", None)
    open_ = found.comparison("lora", "full")
    assert open_ is not None
    assert open_.outcome == "inconclusive"
    assert open_.examples_needed is not None
    assert open_.examples_needed > 0
    assert found.families.state == "ahead", "only which finetune is open"
    assert found.within is not None
    assert found.within.state == "open"
    assert f"Use {found.recommended} for now" in found.within.sentence
    assert found.recommended in found.leaders


def test_the_promised_number_of_examples_does_settle_it() -> None:
    """Asked again with as many examples as were said to be needed, most verdicts are settled."""
    rng = np.random.default_rng(2)

    def draw(n: int) -> Verdict:
        truth = rng.random(n)
        cheap = truth + 0.1 * rng.normal(size=n) < 0.8
        dear = truth + 0.1 * rng.normal(size=n) < 0.8
        runs = [run("lora", cheap, TRAINED), run("full", dear, DEAR), run("zero_shot", answers(0, n))]
        return verdict(*runs, noise=QUIET)

    first = draw(200)
    while first.kind != "inconclusive" or abs(first.comparison("lora", "full").difference) > 0.002:  # type: ignore[union-attr]
        first = draw(200)
    needed = first.comparison("lora", "full").examples_needed  # type: ignore[union-attr]
    assert needed is not None
    settled = sum(draw(200 + needed).kind == "winner" for _ in range(60))
    assert settled >= 40, "planned for 80 %"


def test_shuffled_labels_have_no_winner() -> None:
    rng = np.random.default_rng(3)
    runs = [
        run(name, rng.random(200) < 0.25, cost)
        for name, cost in (("zero_shot", FREE), ("few_shot", SHOTS), ("lora", TRAINED), ("full", DEAR))
    ]
    found = verdict(*runs)
    assert (found.kind, found.winner) == ("no_difference", None)
    assert found.sentence.startswith("No measurable difference")
    assert found.recommended == "zero_shot"
    assert any("labels can be learned" in reason for reason in found.evidence)


def test_recipes_shown_to_be_level_are_a_tie_and_the_cheapest_is_recommended() -> None:
    same = answers(700, 1000)
    found = verdict(run("few_shot", same, SHOTS), run("lora", same, TRAINED))
    assert (found.kind, found.winner, found.recommended) == ("tie", None, "few_shot")
    assert found.sentence.startswith("No measurable difference")


def test_identical_answers_of_few_examples_are_not_proof_of_equality() -> None:
    same = answers(10, 20)
    assert verdict(run("few_shot", same, SHOTS), run("lora", same, TRAINED)).kind == "no_difference"


def _scores(rng: Generator, easy: Floats, *, binary: bool) -> Floats:
    if binary:
        return (rng.random(len(easy)) < easy).astype(float)
    return np.where(rng.random(len(easy)) < 0.4, 0.0, rng.binomial(5, easy) / 5)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "graded"])
@pytest.mark.parametrize(("recipes", "seeds"), [(2, 1), (2, 3), (6, 1), (6, 3)])
def test_identical_recipes_have_no_winner_in_95_of_100(recipes: int, seeds: int, binary: bool) -> None:
    """A/A: the same answers in distribution, other seeds of sampling; 100 repeats."""
    rng = np.random.default_rng(20 + recipes + seeds)
    kinds: Counter[str] = Counter()
    for _ in range(100):
        easy = rng.beta(0.6, 0.6, 150)
        runs = [
            run(f"r{i}", _scores(rng, easy, binary=binary), SHOTS, seed=seed, binary=binary)
            for i, seed in itertools.product(range(recipes), range(seeds))
        ]
        found = verdict(*runs)
        kinds[found.kind] += 1
        assert (found.winner is None) == (found.kind != "winner")
    assert kinds["winner"] <= 5
    assert kinds["winner"] + kinds["inconclusive"] <= 5, "nor is any recipe said to differ"


def test_noise_of_training_does_not_make_a_winner() -> None:
    """Two equal recipes whose every training is off by some 3 points."""
    rng = np.random.default_rng(5)
    wins = 0
    for _ in range(100):
        easy = rng.beta(0.6, 0.6, 200)
        runs = [
            run(name, rng.random(200) < np.clip(easy + 0.03 * rng.normal(), 0, 1), cost, seed=seed)
            for name, cost in (("lora", TRAINED), ("full", DEAR))
            for seed in range(3)
        ]
        wins += verdict(*runs).kind == "winner"
    assert wins <= 5


def test_one_seed_would_have_made_winners_of_the_same_noise() -> None:
    rng = np.random.default_rng(6)
    easy = rng.beta(0.6, 0.6, 3000)
    shifted = [np.clip(easy + shift, 0, 1) for shift in (0.0, 0.06, -0.05, 0.05, -0.06, 0.01)]
    drawn = [rng.random(3000) < chance for chance in shifted]
    single = verdict(run("lora", drawn[0], TRAINED), run("full", drawn[1], DEAR))
    several = verdict(
        *(run("lora", drawn[i], TRAINED, seed=i) for i in (0, 2, 3)),
        *(run("full", drawn[i], DEAR, seed=i) for i in (1, 4, 5)),
    )
    assert single.winner == "full"
    assert several.winner is None
    pair = several.comparisons[0]
    assert pair.training_se is not None
    assert pair.training_se > pair.sampling_se


def test_p_values_are_adjusted_over_all_pairs_as_statsmodels_does() -> None:
    rng = np.random.default_rng(7)
    found = verdict(*(run(f"r{i}", rng.random(120) < 0.3 + 0.08 * i) for i in range(5)))
    assert len(found.comparisons) == 10
    expected = multipletests([c.p for c in found.comparisons], method="holm")[1]
    assert [c.p_holm for c in found.comparisons] == pytest.approx(list(expected))


def test_an_execution_error_is_left_out_and_never_wrong() -> None:
    good = [1.0] * 100
    broken: list[float | None] = [None] * 30 + [1.0] * 70
    found = verdict(run("few_shot", good, SHOTS), run("lora", broken, TRAINED))
    assert found.comparisons[0].difference == 0.0
    assert found.n == 70
    assert next(s for s in found.summaries if s.recipe == "lora").mean == 1.0
    assert any("30 examples without a score" in reason for reason in found.reasons)


def test_examples_are_paired_by_id_and_not_by_position() -> None:
    values = answers(60, 100)
    forwards = run("a", values)
    backwards = RunScores(
        recipe="b",
        seed=0,
        ids=forwards.ids[::-1],
        groups=forwards.groups,
        values=forwards.values[::-1],
        binary=True,
    )
    found = verdict(forwards, backwards)
    assert (found.comparisons[0].wins, found.comparisons[0].losses) == (0, 0)


def test_groups_widen_the_interval() -> None:
    """Ten questions on each of twenty documents, that one recipe has read and the other has not."""
    rng = np.random.default_rng(8)
    read = np.repeat(rng.random(20) < 0.5, 10)
    first, second = rng.random(200) < np.where(read, 0.9, 0.1), rng.random(200) < np.where(read, 0.1, 0.9)
    groups = [f"g{i // 10}" for i in range(200)]
    alone = verdict(run("a", first), run("b", second)).comparisons[0]
    grouped = verdict(run("a", first, groups=groups), run("b", second, groups=groups)).comparisons[0]
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    assert grouped.p > alone.p
    assert "cluster" in grouped.method


def test_an_oracle_is_shown_and_never_wins() -> None:
    found = verdict(
        run("zero_shot", answers(10, 200)),
        run("bm25_rag", answers(120, 200), SHOTS),
        run("gold_context", answers(200, 200), SHOTS, oracle=True),
    )
    assert found.winner == "bm25_rag"
    assert found.summaries[0].recipe == "gold_context"
    assert all("gold_context" not in (c.recipe, c.reference) for c in found.comparisons)
    assert any("upper bound" in reason for reason in found.reasons)


@pytest.mark.parametrize("runs", [[], [run("a", answers(5, 10))], [run("a", [1.0]), run("b", [None])]])
def test_nothing_to_compare(runs: list[RunScores]) -> None:
    found = verdict(*runs)
    assert (found.kind, found.winner, found.comparisons) == ("nothing_to_compare", None, ())
    json.dumps(found.to_json(), allow_nan=False)


def test_runs_without_a_common_example_cannot_be_compared() -> None:
    other = RunScores(recipe="b", seed=0, ids=("x",), groups=(None,), values=(1.0,), binary=True)
    assert verdict(run("a", answers(5, 10)), other).kind == "nothing_to_compare"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_examples_proves_nothing(n: int) -> None:
    for binary in (True, False):
        found = verdict(run("a", [0.0] * n, binary=binary), run("b", [1.0] * n, SHOTS, binary=binary))
        assert found.winner is None
        json.dumps(found.to_json(), allow_nan=False)


def test_the_same_runs_give_the_same_verdict_in_any_order() -> None:
    rng = np.random.default_rng(9)
    runs = [
        run(name, rng.random(80), cost, binary=False)
        for name, cost in (("zero_shot", FREE), ("few_shot", SHOTS), ("lora", TRAINED))
    ]
    first = verdict(*runs)
    assert verdict(*runs).to_json() == first.to_json()
    again = verdict(*reversed(runs))
    assert (again.sentence, again.kind, again.leaders) == (first.sentence, first.kind, first.leaders)


def test_json_has_every_field_and_no_tuple() -> None:
    found = verdict(run("a", answers(5, 50)), run("b", answers(40, 50), TRAINED))
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert plain == found.to_json()
    assert plain["summaries"][0]["cost"]["train_seconds"] == 60
    assert set(plain) >= {"kind", "winner", "sentence", "reasons", "comparisons", "next_step", "evidence"}


def test_cheapest_first() -> None:
    costs = {"full": DEAR, "lora": TRAINED, "few_shot": SHOTS, "zero_shot": FREE}
    assert cheapest_first(costs) == ["zero_shot", "few_shot", "lora", "full"]
    barely = Cost(train_seconds=60.2, trainable_parameters=1_000, prompt_tokens=50)
    assert cheapest_first({"slower by a hair": barely, "lora": TRAINED})[0] == "slower by a hair"

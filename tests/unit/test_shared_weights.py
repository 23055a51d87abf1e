"""Two runs that ask the same trained weights: the noise of training is common to both, and counts for neither."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from harness.evidence.aggregate import gather, means_covariance
from harness.evidence.pairwise import compare
from harness.evidence.stats.resampling import Floats
from harness.evidence.stats.seeds import TrainingNoise
from harness.evidence.verdict_types import RunScores
from harness.regression.gate import Rules, judge
from harness.results import likeness
from harness.results.records.run import RunRecord
from tests.simulate.world import cost, run
from tests.unit.regress_kit import snapshot

TRAINED = cost(1, trained=True)
TRAIN = {"seconds": 12.5, "best_dev_loss": 0.5, "trainable_parameters": 10}


def asked(recipe: str, values: Floats, weights: str | None, seed: int = 0) -> RunScores:
    return dataclasses.replace(run(recipe, values, TRAINED, seed=seed), weights=weights)


def scores(right: int, n: int = 80) -> Floats:
    return (np.arange(n) < right).astype(float)


def test_the_same_answers_of_the_same_weights_are_equal_but_for_the_draw_of_examples() -> None:
    first, second = (asked(name, scores(48), "w") for name in ("free", "constrained"))
    (shared,) = compare(gather([first, second]), 0.0)
    prompts = [dataclasses.replace(one, cost=cost(0, trained=False), weights=None) for one in (first, second)]
    (plain,) = compare(gather(prompts), 0.0)
    assert (shared.low, shared.high, shared.training_se) == (plain.low, plain.high, None)
    (apart,) = compare(gather([first, dataclasses.replace(second, weights="other")]), 0.0)
    assert apart.low < shared.low < shared.high < apart.high


@pytest.mark.parametrize("weights", ["other", None])
def test_a_difference_of_the_same_weights_is_claimed_plainly_and_one_of_two_trainings_provisionally(
    weights: str | None,
) -> None:
    first, second = asked("free", scores(48), "w"), asked("reordered", scores(40), "w")
    (shared,) = compare(gather([first, second]), 0.0)
    assert (shared.outcome, shared.provisional) == ("better", False)
    (apart,) = compare(gather([first, dataclasses.replace(second, weights=weights)]), 0.0)
    assert apart.provisional


def test_seeds_are_paired_by_their_training_in_whatever_order_they_ran() -> None:
    rng = np.random.default_rng(0)
    level = {"a": 30, "b": 45, "c": 60}
    first = [asked("free", scores(level[name]), name, seed) for seed, name in enumerate("abc")]
    worse = {name: np.where(rng.random(80) < 0.1, 0.0, scores(level[name])) for name in "abc"}
    second = [asked("other", worse[name], name, seed) for seed, name in enumerate("cab")]
    (shared,) = compare(gather([*first, *second]), 0.0)
    (apart,) = compare(gather([*first, *(dataclasses.replace(one, weights=None) for one in second)]), 0.0)
    each = [scores(level[name]).mean() - worse[name].mean() for name in "abc"]
    assert shared.difference == pytest.approx(np.mean(each))
    assert shared.training_se is not None
    assert shared.training_se <= np.std(each, ddof=1) / 3**0.5
    assert apart.training_se is not None
    assert apart.training_se > 5 * shared.training_se


def test_what_training_does_to_one_mean_it_does_to_the_other() -> None:
    tables = gather([asked("free", scores(40), "w"), asked("other", scores(44), "w")])
    noise = {table.recipe: TrainingNoise(0.04**2, 4.0) for table in tables}
    with_noise, without = means_covariance(tables, noise), means_covariance(tables, {})
    assert with_noise is not None
    assert without is not None
    np.testing.assert_allclose(with_noise - without, np.full((2, 2), 0.04**2), atol=1e-12)


def test_a_training_is_known_by_its_key_and_by_what_it_measured() -> None:
    record = RunRecord.of({"id": "a", "weights_key": "k", "train": TRAIN})
    taken = record.changed(id="b", train=TRAIN | {"trained_by": "a"})
    assert likeness.training_mark(record) == likeness.training_mark(taken) is not None
    again = record.changed(train=TRAIN | {"seconds": 13.0})
    assert likeness.training_mark(again) != likeness.training_mark(record)
    assert likeness.training_mark(record.changed(weights_key=None)) is None
    assert likeness.training_mark(record.changed(train=None)) is None


def test_the_gate_adds_no_noise_of_training_where_pin_and_run_ask_the_same_weights() -> None:
    before, after = [1.0] * 900 + [0.0] * 100, [1.0] * 860 + [0.0] * 140
    noise = {"variance": 0.03**2, "df": 4.0, "sd": 0.03, "runs": 5}
    recipe = {"name": "lora", "weights": [{"kind": "lora"}]}
    rules = Rules(margins={"primary": 0.02})
    for key, verdict in (("k", "regression"), ("other", "inconclusive")):
        gate = judge(
            snapshot(after, recipe=recipe, weights_key="k", train=TRAIN),
            snapshot(before, recipe=recipe, weights_key=key, train=TRAIN, noise=noise),
            rules,
        )
        assert gate.verdict == verdict
        assert any("same trained weights" in note for note in gate.notes) is (key == "k")

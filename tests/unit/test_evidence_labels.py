"""Label curves drawn with known crossings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.evidence.label_curve import LabelCurve, label_curve
from harness.evidence.verdict_types import RunScores


def runs(recipe: str, rate: float, *, seeds: int = 1, n: int = 400) -> list[RunScores]:
    rng = np.random.default_rng(int(1_000 * rate) + len(recipe))
    hard = np.random.default_rng(0).random(n)
    return [
        RunScores(
            recipe=recipe,
            seed=seed,
            ids=tuple(str(i) for i in range(n)),
            groups=(None,) * n,
            values=tuple((0.8 * hard + 0.2 * rng.random(n) < rate).astype(float)),
            binary=True,
        )
        for seed in range(seeds)
    ]


def curve(rates: dict[int, float], *, reference: float = 0.5, margin: float = 0.02) -> LabelCurve:
    points = {count: runs("lora", rate, seeds=2) for count, rate in rates.items()}
    return label_curve("lora", points, {"few_shot": runs("few_shot", reference)}, margin)


def test_where_finetuning_overtakes() -> None:
    fitted = curve({25: 0.1, 50: 0.3, 100: 0.5, 200: 0.7, 400: 0.85})
    overtaking = fitted.overtakes[0]
    assert overtaking.labels == pytest.approx(100, rel=0.25)
    assert overtaking.low is not None
    assert overtaking.high is not None
    assert overtaking.low < 100 < overtaking.high
    assert overtaking.low > 50
    assert overtaking.high < 200
    assert fitted.worth_more == "yes"
    assert [point.labels for point in fitted.points] == [25, 50, 100, 200, 400]


def test_a_flat_end_says_that_more_labels_are_not_worth_buying() -> None:
    fitted = curve({100: 0.6, 200: 0.8, 400: 0.8}, margin=0.06)
    assert fitted.worth_more == "no"
    assert fitted.last_doubling == pytest.approx(0.0, abs=0.02)


def test_the_gain_is_per_doubling() -> None:
    twice, four_times = curve({100: 0.4, 200: 0.6}), curve({100: 0.4, 400: 0.6})
    assert four_times.last_doubling == pytest.approx((twice.last_doubling or 0) / 2)


def test_a_curve_that_stays_below_says_so() -> None:
    crossing = curve({25: 0.05, 50: 0.1, 100: 0.2}).overtakes[0]
    assert (crossing.labels, crossing.high) == (None, None)
    assert "does not overtake" in crossing.sentence


def test_a_curve_that_starts_ahead_says_so() -> None:
    crossing = curve({25: 0.8, 50: 0.9}).overtakes[0]
    assert crossing.labels == 25
    assert "from the first point" in crossing.sentence


def test_one_lucky_small_subset_is_not_overtaking() -> None:
    crossing = curve({25: 0.6, 50: 0.2, 100: 0.4, 200: 0.8}).overtakes[0]
    assert crossing.labels is not None
    assert crossing.labels > 100


def test_one_point_makes_no_curve() -> None:
    fitted = curve({100: 0.6})
    assert (fitted.worth_more, fitted.last_doubling) == ("unclear", None)
    json.dumps(fitted.to_json(), allow_nan=False)


def test_a_curve_without_scores_is_refused() -> None:
    empty = RunScores(recipe="lora", seed=0, ids=("a",), groups=(None,), values=(None,))
    with pytest.raises(ValueError, match="no point"):
        label_curve("lora", {25: [empty]}, {}, 0.02)

"""Prices and break-even volumes, by hand-computed values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import ConfigError
from harness.evidence.cost import Prices, Usage, break_even, load, price
from harness.evidence.verdict_types import Cost

PRICES = Prices(gpu_hour=3.0, million_tokens_in=0.5, million_tokens_out=1.5, label=0.10, months=2.0)
TUNED = Usage(
    recipe="lora",
    cost=Cost(train_seconds=1_200, trainable_parameters=1),
    labels=400,
    tokens_in=[100] * 50,
    tokens_out=[40] * 50,
)
PROMPTED = Usage(recipe="few_shot", cost=Cost(), labels=8, tokens_in=[900, 1_100] * 25, tokens_out=[40] * 50)


def test_prices_by_hand() -> None:
    method_cost = price(TUNED, PRICES)
    assert method_cost.once == pytest.approx(1_200 / 3_600 * 3.0 + 400 * 0.10)
    assert method_cost.per_thousand == pytest.approx(1_000 * (100 * 0.5 + 40 * 1.5) / 1e6)
    assert method_cost.monthly == 0.0


def test_break_even_by_hand_with_its_interval() -> None:
    crossover = break_even(TUNED, PROMPTED, PRICES)
    fixed = (1.0 + 40.0 - 0.8) / 2.0
    assert crossover.volume == pytest.approx(fixed / (900 * 0.5 / 1e6))
    assert crossover.low is not None
    assert crossover.high is not None
    assert crossover.low < crossover.volume < crossover.high
    assert crossover.high == pytest.approx(crossover.volume, rel=0.05)
    assert "answers a month" in crossover.sentence
    json.dumps(crossover.to_json(), allow_nan=False)


def test_hosting_moves_the_break_even_up() -> None:
    hosted = break_even(TUNED, PROMPTED, Prices(**{**vars(PRICES), "hosting_month": 100.0}))
    plain = break_even(TUNED, PROMPTED, PRICES)
    assert (hosted.volume or 0) == pytest.approx((plain.volume or 0) + 100.0 / (900 * 0.5 / 1e6))


def test_a_longer_prompt_after_finetuning_never_pays() -> None:
    longer = Usage(**{**vars(TUNED), "tokens_in": [2_000] * 50})
    crossover = break_even(longer, PROMPTED, PRICES)
    assert (crossover.volume, crossover.high) == (None, None)
    assert "not cheaper" in crossover.sentence


def test_cheaper_below_a_volume_where_training_costs_less_than_the_shots_but_answers_more() -> None:
    """Four labels and a minute of training against eight labels; 60 tokens out instead of 20."""
    cheap = Cost(train_seconds=60, trainable_parameters=1)
    tuned = Usage(recipe="full", cost=cheap, labels=4, tokens_in=[100] * 50, tokens_out=[50, 70] * 25)
    shots = Usage(recipe="few_shot", cost=Cost(), labels=8, tokens_in=[100] * 50, tokens_out=[20] * 50)
    crossover = break_even(tuned, shots, PRICES)
    once = (0.8 - (60 / 3_600 * 3.0 + 0.4)) / 2.0
    assert crossover.below
    assert crossover.volume == pytest.approx(once / (40 * 1.5 / 1e6))
    assert crossover.low is not None
    assert crossover.high is not None
    assert crossover.low < crossover.volume < crossover.high
    assert f"cheaper than few_shot below {crossover.volume:,.0f} answers a month" in crossover.sentence


def test_free_training_pays_at_once() -> None:
    free = Prices(million_tokens_in=0.5)
    assert break_even(TUNED, PROMPTED, free).volume == 0.0


def test_savings_that_may_be_nothing_have_no_upper_end() -> None:
    rng = np.random.default_rng(1)
    noisy = Usage(
        recipe="p",
        cost=Cost(),
        labels=0,
        tokens_in=(110 + rng.normal(0, 60, 50)).tolist(),
        tokens_out=[40] * 50,
    )
    crossover = break_even(TUNED, noisy, PRICES)
    assert crossover.high is None
    assert crossover.sentence.endswith("no limit].") or crossover.volume is None


def test_prices_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("gpu_hour: 2\nmillion_tokens_in: 0.25\ncurrency: EUR\n")
    assert load(path) == Prices(gpu_hour=2, million_tokens_in=0.25, currency="EUR")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu_hours: 2", "did you mean 'gpu_hour'"),
        ("label: free", "label is 'free'"),
        ("label: -1", "label is -1"),
        ("months: 0", "months is 0"),
        ("label: true", "label is True"),
    ],
)
def test_bad_prices_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.yaml") as error:
        load(path)
    assert message in str(error.value)

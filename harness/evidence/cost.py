"""Money: what each method costs with the user's prices, and from which volume finetuning pays.

A method has a fixed cost (GPU time to train, labels to buy) and a cost per answer (tokens in and out).
Finetuning shifts cost from the second to the first: it pays off above the volume at which the shorter prompt
has repaid the training. No price is built in; prices are the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from harness.core.errors import ConfigError, nearest
from harness.core.finite import finite_number
from harness.core.recipes import read_yaml
from harness.evidence.stats.resampling import Floats, bootstrap_means
from harness.evidence.verdict_types import Cost, Jsonable


@dataclass(frozen=True, kw_only=True)
class Prices(Jsonable):
    """All in one currency. `months` is how long one training is used before it is repeated."""

    gpu_hour: float = 0.0
    million_tokens_in: float = 0.0
    million_tokens_out: float = 0.0
    label: float = 0.0
    hosting_month: float = 0.0
    """Monthly cost of serving one's own weights beyond serving the base model."""
    months: float = 1.0
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class Method(Jsonable):
    """What a method costs: once per training, every month, and per thousand answers."""

    recipe: str
    once: float
    monthly: float
    per_thousand: float
    currency: str


@dataclass(frozen=True, kw_only=True)
class BreakEven(Jsonable):
    """The monthly volume in answers above (or `below`) which `tuned` is cheaper than `prompted`.

    0 means at any volume, None at none. `low` and `high` are the 95 % interval over the draw of test examples;
    None as `high` means that no volume is certain to suffice (with `below`: that it may be cheaper at any).
    """

    tuned: str
    prompted: str
    volume: float | None
    low: float | None
    high: float | None
    sentence: str
    below: bool = False
    """Whether `tuned` costs less once but more per answer, so that it is cheaper below the volume."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a recipe used: its cost, the labels it saw, and tokens per test example, (n,) each."""

    recipe: str
    cost: Cost
    labels: int
    tokens_in: Sequence[int]
    tokens_out: Sequence[int]


def load(path: Path) -> Prices:
    """Prices from a YAML file with the fields of `Prices`.

    Raises:
        ConfigError: an unknown field, or a value that is not a number of at least 0.
    """
    values = read_yaml(path)
    known = {field.name for field in fields(Prices)}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"unknown price '{name}'", file=path, remedy=nearest(name, known))
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if name != "currency" and (not number or (name == "months" and value == 0)):
            raise ConfigError(
                f"{name} is {value!r}", file=path, remedy="a number of at least 0 (months: above 0)"
            )
    return Prices(**{**values, "currency": str(values.get("currency", "USD"))})


def price(usage: Usage, prices: Prices) -> Method:
    """What one method costs."""
    trained = usage.cost.trainable_parameters > 0
    return Method(
        recipe=usage.recipe,
        once=usage.cost.train_seconds / 3600 * prices.gpu_hour + usage.labels * prices.label,
        monthly=prices.hosting_month if trained else 0.0,
        per_thousand=1000 * float(_per_answer(usage, prices).mean()),
        currency=prices.currency,
    )


def break_even(
    tuned: Usage, prompted: Usage, prices: Prices, *, rng: np.random.Generator | None = None
) -> BreakEven:
    """The volume above (or below) which the finetuned method is cheaper, with its interval.

    Both must have answered the same examples in the same order: examples are resampled in
    pairs (10,000 bootstrap samples, percentiles).
    """
    first, second = price(tuned, prices), price(prompted, prices)
    fixed = (first.once - second.once) / prices.months + first.monthly - second.monthly
    saved = _per_answer(prompted, prices) - _per_answer(tuned, prices)
    below = fixed < 0 and float(saved.mean()) < 0
    # Reversed, "cheaper below" is the other method's "cheaper above".
    sign = -1.0 if below else 1.0
    drawn = _volumes(sign * fixed, sign * bootstrap_means(saved, rng=rng)[:, 0])
    low, high = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    volume = float(_volumes(sign * fixed, np.array([sign * saved.mean()]))[0])
    plain = BreakEven(
        tuned=tuned.recipe,
        prompted=prompted.recipe,
        volume=finite_number(volume),
        low=finite_number(float(low)),
        high=finite_number(float(high)),
        sentence="",
        below=below,
    )
    return replace(plain, sentence=_sentence(plain))


def _per_answer(usage: Usage, prices: Prices) -> Floats:
    tokens_in = np.asarray(usage.tokens_in, dtype=np.float64)
    tokens_out = np.asarray(usage.tokens_out, dtype=np.float64)
    return (tokens_in * prices.million_tokens_in + tokens_out * prices.million_tokens_out) / 1e6


def _volumes(fixed: float, saved: Floats) -> Floats:
    """Answers a month until `fixed` is earned back; infinite where nothing is saved."""
    if fixed <= 0:
        return np.where(saved >= 0, 0.0, np.inf)
    positive = saved > 0
    return np.where(positive, fixed / np.where(positive, saved, 1.0), np.inf)


def _sentence(break_even: BreakEven) -> str:
    if break_even.volume is None:
        return f"{break_even.tuned} is not cheaper than {break_even.prompted} at any volume."
    if break_even.volume == 0.0:
        return f"{break_even.tuned} is cheaper than {break_even.prompted} at any volume."
    high = "no limit" if break_even.high is None else f"{break_even.high:,.0f}"
    side = "below" if break_even.below else "above"
    return (
        f"{break_even.tuned} is cheaper than {break_even.prompted} {side} {break_even.volume:,.0f} answers a month "
        f"[{break_even.low:,.0f}, {high}]."
    )

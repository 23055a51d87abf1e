"""The budget of `--tune`: a number of trials, seconds or tokens, or an amount of money, for each arm."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.core import formatting
from harness.core.errors import ConfigError
from harness.evidence.cost import Prices
from harness.search.study_config import Budget

Currency: TypeAlias = Literal["trials", "seconds", "tokens", "money"]
MOST_TRIALS = 200
"""Trials after which an arm ends if the budget is not counted in trials."""
HELP = "e.g. 12 (trials), 600s, 30min, 2h, 200000tok or, with --prices, 2usd"
_UNITS: dict[str, tuple[Currency, float]] = {
    "": ("trials", 1.0),
    "trials": ("trials", 1.0),
    "s": ("seconds", 1.0),
    "min": ("seconds", 60.0),
    "h": ("seconds", 3600.0),
    "tok": ("tokens", 1.0),
}


@dataclass(frozen=True, kw_only=True)
class ArmBudget:
    """What each arm may spend. `prices` turn time and tokens into money."""

    amount: float
    currency: Currency
    prices: Prices

    @property
    def words(self) -> str:
        """In words: "12 trials", "10 min", "2 USD"."""
        return spoken(self.amount, self.currency, self.prices.currency)

    def divided(self, studies: int) -> ArmBudget:
        """The part of each of an arm's studies, which share its budget.

        Raises:
            ConfigError: fewer trials than studies.
        """
        share = self.amount / studies
        if self.currency == "trials":
            share = self.amount // studies
            if share < 1:
                raise ConfigError(
                    f"--tune {self.amount:g} is too small: an arm has {studies} recipes, and each needs its first trial",
                    remedy=f"give --tune {studies} or more, or name fewer --recipes",
                )
        return ArmBudget(amount=share, currency=self.currency, prices=self.prices)

    def of_study(self) -> Budget:
        """The budget as the loop of trials takes it."""
        return Budget(
            trials=int(self.amount) if self.currency == "trials" else MOST_TRIALS,
            seconds=self.amount if self.currency == "seconds" else None,
            tokens=int(self.amount) if self.currency == "tokens" else None,
            money=self.amount if self.currency == "money" else None,
            prices=self.prices,
            never_over=True,
        )


def parsed(text: str | int, prices: Prices | None) -> ArmBudget:
    """The budget that `--tune` gives.

    Args:
        prices: those of `--prices`; None if none were given.

    Raises:
        ConfigError: no budget, nothing to spend, or money without prices.
    """
    rates = prices or Prices()
    match = re.fullmatch(r"\s*([\d_,]*\.?\d+(?:e\d+)?)\s*([a-z]*)\s*", str(text).lower())
    if match is None:
        raise ConfigError(f"--tune {text!r} is no budget", remedy=HELP)
    unit, amount = match[2], float(re.sub("[_,]", "", match[1]))
    if unit in _UNITS:
        currency, factor = _UNITS[unit]
    elif unit == rates.currency.lower():
        currency, factor = "money", 1.0
    else:
        raise ConfigError(f"--tune {text!r}: unknown unit '{unit}'", remedy=HELP)
    amount *= factor
    if not 0 < amount < math.inf or (currency == "trials" and not amount.is_integer()):
        raise ConfigError(f"--tune {text!r} must be above 0 and finite, and whole trials", remedy=HELP)
    if currency == "money" and not (rates.gpu_hour or rates.million_tokens_in or rates.million_tokens_out):
        raise ConfigError(
            f"--tune {text!r} is a budget of money, which needs prices above 0",
            remedy="give --prices FILE with gpu_hour, or million_tokens_in and million_tokens_out",
        )
    return ArmBudget(amount=amount, currency=currency, prices=rates)


def spoken(amount: float, currency: str, money: str = "USD") -> str:
    """An amount in words."""
    if currency == "seconds":
        return formatting.seconds(amount)
    if currency == "money":
        return f"{amount:.2f} {money}"
    return f"{amount:,.0f} {currency}" if amount != 1 else f"1 {currency.removesuffix('s')}"

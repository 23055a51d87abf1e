"""What terminal and report alike say of a tuning."""

from __future__ import annotations

from harness.core import formatting
from harness.results.records.tuning import ArmRecord, Interval, TuningRecord
from harness.search.tuning.budget import spoken


def summary(record: TuningRecord) -> str:
    """The budget in a sentence."""
    each = amount(record, record.budget)
    return f"Tuned on dev with {each} for each arm; defaults and tuned recipes met once on test."


def amount(record: TuningRecord, value: float) -> str:
    """An amount of the budget's currency in words."""
    if record.currency in ("trials", "seconds", "tokens", "money"):
        return spoken(value, record.currency, record.money)
    return f"{value:g} {record.currency}"


def spent(record: TuningRecord, arm: ArmRecord) -> str:
    """What an arm spent of its budget."""
    used = record.budget - arm.unspent
    if record.currency == "trials":
        return f"{used:.0f} of {amount(record, record.budget)}"
    return f"{amount(record, used)} of {amount(record, record.budget)}"


def score(value: Interval | None) -> str:
    return formatting.NONE if value is None else formatting.decimal(value.mean)


def gain(value: Interval | None) -> str:
    """A difference in points with its interval."""
    if value is None:
        return formatting.NONE
    low, high = formatting.signed(value.low), formatting.signed(value.high)
    return f"{formatting.signed(value.mean)} [{low}, {high}]"


def standing(arm: ArmRecord) -> str:
    """Whether tuning helped, how it was found, and how much trials scatter."""
    if arm.error:
        return f"no champion: {arm.error}"
    parts = [_verdict(arm)]
    if arm.recipe_file:
        parts.append(f"recipe {arm.recipe_file}")
    if arm.spread is not None:
        low, high = formatting.decimal(arm.spread.low), formatting.decimal(arm.spread.high)
        parts.append(f"{arm.spread.n} finished trials score {low} to {high} on dev")
    stopped = [f"{count} {name}" for count, name in ((arm.pruned, "pruned"), (arm.failed, "failed")) if count]
    if stopped:
        parts.append(f"{' and '.join(stopped)} of {arm.trials}")
    return "; ".join(parts)


def _verdict(arm: ArmRecord) -> str:
    if not arm.recipe_file:
        return "nothing that was tried beats the default on dev"
    change = arm.test.gain
    if change is None:
        return "not measured on test"
    if change.low > 0:
        return "tuning helped on test"
    if change.high < 0:
        return "tuning hurt on test"
    return "whether tuning helped on test is open"

"""Whether a budget pays for one trial of an arm, worked out before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import ConfigError
from harness.core.protocols import Task
from harness.core.values import Message
from harness.results.trials import read as read_trials
from harness.search.duration_estimate import Estimate, foreseen
from harness.search.tuning.arms import ArmStudy
from harness.search.tuning.budget import spoken
from harness.tasks.sampling import sample

CHARACTERS_PER_TOKEN = 8
"""More than a token holds on average in any usual tokenizer, so that a budget reported as too small surely
is."""
ROUGH = 2.0
"""How far a rough estimate of seconds may be off."""


def require(plan: ArmStudy, task: Task) -> None:
    """
    Raises:
        ConfigError: the budget does not pay for the first trial of a study that has not started.
    """
    if any(row.study == plan.study for row in read_trials(plan.results)):
        return
    budget = plan.budget
    wanted = {"tokens": budget.tokens, "seconds": budget.seconds, "money": budget.money}
    for currency, amount in wanted.items():
        if amount is None:
            continue
        least = _least(plan, task, currency)
        if least > amount:
            shown = [spoken(one, currency, budget.prices.currency) for one in (amount, least)]
            raise ConfigError(
                f"a budget of {shown[0]} is too small for one trial of '{plan.arm}' ({plan.recipe['name']}), "
                f"which takes about {shown[1]}",
                remedy="give --tune more, --limit N for fewer dev examples, or --recipes without it",
            )


def _least(plan: ArmStudy, task: Task, currency: str) -> float:
    """The least that the first trial takes."""
    if currency == "tokens":
        return fewest_tokens(plan, task)
    estimate = foreseen(plan, task)
    seconds = 0.0 if estimate is None else _surely(estimate)
    if currency == "seconds":
        return seconds
    prices = plan.budget.prices
    return prices.gpu_hour * seconds / 3600 + prices.million_tokens_in * fewest_tokens(plan, task) / 1e6


def _surely(estimate: Estimate) -> float:
    return estimate.seconds / ROUGH if estimate.rough else estimate.seconds


def fewest_tokens(plan: ArmStudy, task: Task) -> float:
    """The fewest tokens that the first trial reads: the prompts of dev, and the training data."""
    recipe = plan.default()
    train = task.splits.get("train", ())
    ask = recipe.program.prepare(task, train, plan.seed)
    asked = sum(_length(ask(example).messages) for example in sample(task.splits["dev"], plan.limit))
    learned = 0.0
    if recipe.weights:
        lessons = sum(_length(ask(example).messages) for example in train[: plan.labels])
        learned = lessons * sum(stage.num_train_epochs or 0.0 for stage in recipe.weights)
    return (asked + learned) / CHARACTERS_PER_TOKEN


def _length(messages: Sequence[Message]) -> int:
    return sum(len(message.content) for message in messages)

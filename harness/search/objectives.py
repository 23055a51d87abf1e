"""Objectives and constraints of a trial, read from a finished run's record."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.core.errors import ConfigError, nearest
from harness.evidence.cost import Prices
from harness.results import trials
from harness.results.records.run import AnswerRecord, RunRecord

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def _required(value: float | None, name: str) -> float:
    """A number that the record of a finished run has."""
    if value is None:
        raise ValueError(f"the run's record has no {name}")
    return float(value)


READ: Mapping[str, Callable[[RunRecord], float]] = {
    "score": lambda record: _required(record.mean(str(record.task.primary)), "primary score"),
    "seconds": lambda record: _required(record.seconds, "seconds"),
    "memory": lambda record: _required(record.peak_bytes, "peak memory"),
    "prompt_tokens": lambda record: _required(record.prompt_tokens_mean, "length of prompts"),
    "latency": lambda record: _required((record.answer or AnswerRecord()).latency_p95, "latency"),
    "train_tokens": lambda record: float((record.train and record.train.tokens) or 0),
}
"""`score`: mean primary score on dev; seconds of the whole trial; bytes at the peak; mean tokens of a
prompt; 95th percentile of the seconds of one answer; tokens trained on."""


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A trial is feasible when `name` is at most `limit`."""

    name: str
    limit: float

    def excess(self, record: RunRecord) -> float:
        """Above 0 where the limit is broken."""
        return READ[self.name](record) - self.limit


def objectives(text: str) -> tuple[str, ...]:
    """Comma-separated names; `best` goes by the first.

    Raises:
        ConfigError: an unknown name.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in READ:
            raise ConfigError(f"unknown objective '{name}'", remedy=nearest(name, READ))
    return names


def direction(name: str) -> Literal["maximize", "minimize"]:
    return "maximize" if name == "score" else "minimize"


def constraint(text: str) -> Constraint:
    """`memory<=4e9`.

    Raises:
        ConfigError: not of that form, or an unknown name.
    """
    match = re.fullmatch(r"\s*(\w+)\s*<=?\s*([\d.eE+-]+)\s*", text)
    if match is None or not _is_number(match[2]):
        raise ConfigError(f"--constraint {text!r} is not name<=number", remedy="e.g. memory<=4e9")
    if match[1] not in READ:
        raise ConfigError(f"--constraint: unknown name '{match[1]}'", remedy=nearest(match[1], READ))
    return Constraint(name=match[1], limit=float(match[2]))


def values(names: Sequence[str], record: RunRecord) -> list[float]:
    return [READ[name](record) for name in names]


def measured(trial: FrozenTrial) -> float:
    """A finished trial's first objective as it was measured."""
    return float(trials.exact(trial)[0])


def with_loss(score: float, loss: float | None) -> float:
    """A score plus less than a ten-thousandth for a low dev loss: early in training, and where a learning
    rate is far off, many trials have the same score, most often 0, and neither pruner nor sampler could
    distinguish them."""
    return score + (0.0 if loss is None or math.isnan(loss) else 1e-4 / (1 + max(loss, 0.0)))


def sampler_values(names: Sequence[str], values: Sequence[float], record: RunRecord) -> list[float]:
    """The values reported to the sampler: a score that is the only objective becomes `with_loss`."""
    if tuple(names) != ("score",):
        return list(values)
    return [with_loss(values[0], record.train.best_dev_loss if record.train else None)]


def asked(record: RunRecord) -> int:
    """How many examples were answered."""
    return sum(record.counts.get(name, 0) for name in ("scored", "invalid", "error"))


def money(prices: Prices, record: RunRecord) -> float:
    """What a trial cost: its hours of GPU, and the tokens that it read and wrote."""
    answer = record.answer or AnswerRecord()
    tokens_in = (answer.tokens_in_mean or 0) * asked(record)
    tokens_out = (answer.tokens_out_mean or 0) * asked(record)
    read = prices.million_tokens_in * tokens_in + prices.million_tokens_out * tokens_out
    return prices.gpu_hour * (record.seconds or 0.0) / 3600 + read / 1e6


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

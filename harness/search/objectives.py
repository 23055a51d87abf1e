"""Objectives and constraints of a trial, read from a finished run's record."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.core.errors import ConfigError, nearest
from harness.evidence.cost import Prices

Record = Mapping[str, Any]


def _score(record: Record) -> float:
    return float(record["metrics"][record["task"]["primary"]]["mean"])


READ: Mapping[str, Callable[[Record], float]] = {
    "score": _score,
    "seconds": lambda record: float(record["seconds"]),
    "memory": lambda record: float(record["peak_device_bytes"] or record["peak_memory_bytes"]),
    "prompt_tokens": lambda record: float(record["prompt_tokens_mean"]),
    "latency": lambda record: float(record["answer"]["latency_p95"]),
    "train_tokens": lambda record: float((record["train"] or {}).get("tokens", 0)),
}
"""`score`: mean primary score on dev; seconds of the whole trial; bytes at the peak; mean tokens of a
prompt; 95th percentile of the seconds of one answer; tokens trained on."""


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A trial is feasible when `name` is at most `limit`."""

    name: str
    limit: float

    def excess(self, record: Record) -> float:
        """Above 0 where the limit is broken."""
        return READ[self.name](record) - self.limit


def objectives(text: str) -> tuple[str, ...]:
    """Comma-separated names; the first is what `best` goes by.

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


def values(names: Sequence[str], record: Record) -> list[float]:
    return [READ[name](record) for name in names]


def with_loss(score: float, loss: float | None) -> float:
    """A score, and less than a ten-thousandth for a low dev loss: early in training, and where a learning
    rate is far off, many trials have the same score, most often 0, and neither pruner nor sampler could
    tell them apart."""
    return score + (0.0 if loss is None or math.isnan(loss) else 1e-4 / (1 + max(loss, 0.0)))


def sampler_values(names: Sequence[str], values: Sequence[float], record: Record) -> list[float]:
    """The values reported to the sampler: a score that is the only objective becomes `with_loss`."""
    if tuple(names) != ("score",):
        return list(values)
    return [with_loss(values[0], (record.get("train") or {}).get("best_dev_loss"))]


def asked(record: Record) -> int:
    """How many examples were answered."""
    counts = record.get("counts", {})
    return sum(counts.get(name, 0) for name in ("scored", "invalid", "error"))


def money(prices: Prices, record: Record) -> float:
    """What a trial cost: its hours of GPU, and the tokens that it read and wrote."""
    answer = record.get("answer") or {}
    tokens_in = (answer.get("tokens_in_mean") or 0) * asked(record)
    tokens_out = (answer.get("tokens_out_mean") or 0) * asked(record)
    read = prices.million_tokens_in * tokens_in + prices.million_tokens_out * tokens_out
    return prices.gpu_hour * float(record["seconds"]) / 3600 + read / 1e6


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

"""Samples of another tool's log → lines of `samples.jsonl`, and what they add up to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pydantic_core import to_json

from harness.core.files import draft, json_line
from harness.core.json_types import JsonObject
from harness.imports.sample import ForeignSample, Metric
from harness.results.records.missing import Missing

SKIPPED = "the tool gave no score"
_CLOSE = 1e-6
"""How near the mean of the samples must be to the mean that the tool reports, relative to it."""


@dataclass
class Tally:
    """Sum, count and range of a metric's values as they stand in the log."""

    total: float = 0.0
    n: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    graded: bool = False
    """Whether some value is neither 0 nor 1."""

    def add(self, value: float) -> None:
        self.total += value
        self.n += 1
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value
        if value not in (0.0, 1.0):
            self.graded = True

    def join(self, other: Tally) -> None:
        self.total, self.n = self.total + other.total, self.n + other.n
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.graded = self.graded or other.graded

    @property
    def mean(self) -> float:
        return self.total / self.n


def unusable(metric: Metric, tally: Tally) -> str:
    """Why a metric's values per sample are no scores; empty where they are."""
    if not tally.n:
        return f"{metric.name} has no number per sample"
    if metric.mean is not None and abs(tally.mean - metric.mean) > _CLOSE * max(1.0, abs(metric.mean)):
        return (
            f"{metric.name}: its {tally.n} samples average to {tally.mean:.6g}, and the log says {metric.mean:.6g}, so "
            "they are not parts of that score"
        )
    if tally.low < 0.0 or tally.high > 1.0:
        return f"{metric.name}: values from {tally.low:.6g} to {tally.high:.6g} are no scores within [0, 1]"
    return ""


@dataclass
class RowWriter:
    """Writes one run's lines; knows afterwards what they hold."""

    path: Path
    metrics: Sequence[Metric]
    tallies: dict[str, Tally] = field(default_factory=dict)
    count: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    _stream: BinaryIO | None = None

    def __post_init__(self) -> None:
        self.tallies = {metric.name: Tally() for metric in self.metrics}
        self._stored = [(metric.name, metric.stored_as, metric.higher_is_better) for metric in self.metrics]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("wb", buffering=1 << 20)

    def add(self, name: str, sample: ForeignSample) -> None:
        """Append a sample under the name of its example."""
        assert self._stream is not None
        line = self._line(name, sample)
        try:
            self._stream.write(to_json(line) + b"\n")
        except ValueError:  # half a character, which only the slower writer escapes
            self._stream.write(json_line(line))
        self.count += 1

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def drop(self, names: Sequence[str]) -> None:
        """Take the scores of some metrics out of the lines again, by the names that they are stored under."""
        with draft(self.path) as part, part.open("wb") as out, self.path.open("rb") as lines:
            for line in lines:
                row = json.loads(line)
                row["scores"] = [score for score in row["scores"] if score["scorer"] not in names]
                out.write(
                    json.dumps(row, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
                )

    def missing(self) -> Missing | None:
        """Answers that failed in the tool; asking again is up to the tool, so they are missing for good."""
        return missing_for_good(self.errors.elements(), self.count)

    def _line(self, name: str, sample: ForeignSample) -> JsonObject:
        if sample.tokens_in or sample.tokens_out:
            self.tokens_in += sample.tokens_in or 0
            self.tokens_out += sample.tokens_out or 0
        line: dict[str, object] = {
            "sample_id": name,
            "input": sample.input if sample.input is not None else _shown(sample),
            "target": sample.target,
            "output": sample.answer,
            "finish_reason": "error" if sample.error else "stop",
            "meta": {"id": sample.id, "hash": sample.hash} if sample.hash else {"id": sample.id},
        }
        if sample.seconds is not None or sample.tokens_in is not None:
            line |= {
                "seconds": sample.seconds,
                "tokens_in": sample.tokens_in,
                "tokens_out": sample.tokens_out,
            }
        if sample.error:
            self.errors[sample.error] += 1
            parse: dict[str, object] = {"status": "error", "reason": sample.error}
            line |= {"error": sample.error, "strict": parse, "extracted": parse}
            scores: list[dict[str, object]] = [
                {"scorer": stored, "status": "error", "value": None, "reason": sample.error}
                for _, stored, _ in self._stored
            ]
        else:
            line |= {"strict": _VALID, "extracted": {"status": "valid", "value": sample.answer}}
            scores = self._scores(sample.scores)
        line["scores"] = scores
        return line  # type: ignore[return-value]

    def _scores(self, given: Mapping[str, float | None]) -> list[dict[str, object]]:
        scores: list[dict[str, object]] = []
        for name, stored, higher in self._stored:
            if name not in given:
                continue
            value = given[name]
            if value is None:
                scores.append({"scorer": stored, "status": "skipped", "value": None, "reason": SKIPPED})
                continue
            self.tallies[name].add(value)
            scores.append({"scorer": stored, "status": "scored", "value": value if higher else 1.0 - value})
        return scores


_VALID = {"status": "valid"}


def missing_for_good(reasons: Iterable[str], of: int) -> Missing | None:
    """Answers that nothing here can ask for again; None where none is missing."""
    counts = Counter(reasons)
    lost = counts.total()
    return Missing(count=lost, of=of, reasons=dict(counts.most_common()), final=lost) if lost else None


def _shown(sample: ForeignSample) -> JsonObject:
    """What a report shows of the question."""
    if sample.prompt is None:
        return {"id": sample.id}
    if not sample.conditions:
        return {"prompt": sample.prompt}
    return {"prompt": sample.prompt, "choices": sample.conditions.split("\x1e")}

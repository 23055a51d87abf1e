"""Samples of another tool's log → lines of `samples.jsonl`, and their totals."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from harness.core.files import draft, json_line
from harness.core.json_types import JsonObject
from harness.core.secrets import masked_json
from harness.imports.sample import ForeignSample, Metric

if TYPE_CHECKING:
    from harness.results.records.missing import Missing

BEYOND = "are not scores within [0, 1]"
"""What is wrong with values such as percentages."""
SKIPPED = "the tool gave no score"
TOGETHER = 250
"""Rows that are written, and searched for secrets, at a time; of a log, a few more where its repeats alternate."""
MOST_VALUES = 1000
"""How many values of a metric have their scores kept."""
_CLOSE = 1e-6
"""How close the mean of the samples must be to the mean that the tool reports, relative to it."""


@dataclass(frozen=True)
class Tally:
    """A metric's values as in the log, and their totals."""

    values: array[float] = field(default_factory=lambda: array("d"))

    def join(self, other: Tally) -> None:
        self.values.extend(other.values)

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    @property
    def graded(self) -> bool:
        """Whether some value is neither 0 nor 1."""
        return not set(self.values) <= {0.0, 1.0}

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / self.n


class _Parse(msgspec.Struct, gc=False):
    """An answer as it was read: here always the whole text."""

    status: str
    value: str | msgspec.UnsetType | None = msgspec.UNSET
    reason: str | msgspec.UnsetType = msgspec.UNSET


class _Score(msgspec.Struct, gc=False):
    scorer: str
    status: str
    value: float | None
    reason: str | msgspec.UnsetType = msgspec.UNSET


class _Prompt(msgspec.Struct, gc=False):
    """What a report shows of a question without choices."""

    prompt: str


class _Meta(msgspec.Struct, omit_defaults=True, gc=False):
    """What the tool calls the example."""

    id: str
    hash: str = ""


class _Row(msgspec.Struct, kw_only=True, gc=False):
    """A line of `samples.jsonl`; what is unset is not written."""

    sample_id: str
    input: object
    target: object
    output: str | None
    finish_reason: str
    meta: _Meta
    seconds: float | msgspec.UnsetType | None = msgspec.UNSET
    tokens_in: int | msgspec.UnsetType | None = msgspec.UNSET
    tokens_out: int | msgspec.UnsetType | None = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET
    strict: _Parse
    extracted: _Parse
    scores: list[_Score] | msgspec.Raw


def unusable(metric: Metric, tally: Tally) -> str:
    """Why a metric's values per sample are not scores; empty if they are."""
    if not tally.n:
        return f"{metric.name} has no number per sample"
    if metric.mean is not None and abs(tally.mean - metric.mean) > _CLOSE * max(1.0, abs(metric.mean)):
        return (
            f"{metric.name}: its {tally.n} samples average to {tally.mean:.6g}, and the log says {metric.mean:.6g}, so "
            "they are not that score's values; left out"
        )
    if tally.low < 0.0 or tally.high > 1.0:
        return f"{metric.name}: values from {tally.low:.6g} to {tally.high:.6g} {BEYOND}"
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
    checked: bool = True
    """Whether every line was encoded as JSON has it: no half of a character, and nothing was rewritten since."""
    _silent: bool = False
    """Whether a sample has no answer."""
    _stream: BinaryIO | None = None
    _rows: list[_Row] = field(default_factory=list)
    """What is not written yet."""
    _encoded: dict[float | tuple[float | None, ...], msgspec.Raw] = field(default_factory=dict)
    """The scores of a row, by the value of the only metric or the values of all."""

    def __post_init__(self) -> None:
        self.tallies = {metric.name: Tally() for metric in self.metrics}
        self._stored = [
            (metric.field, metric.stored_as, metric.higher_is_better, self.tallies[metric.name].values.append)
            for metric in self.metrics
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self.path.open("wb", buffering=1 << 20)

    def add(self, samples: Iterable[tuple[str, ForeignSample]]) -> None:
        """Append samples, each under the name of its example. One call for many of them: a log has millions."""
        scores = self._scores
        for name, sample in samples:
            prompt, answer, error = sample.prompt, sample.answer, sample.error
            bare = sample.input is None and not sample.conditions
            row = _Row(
                sample_id=name,
                input=_Prompt(prompt) if prompt is not None and bare else _shown(sample),
                target=sample.target,
                output=answer,
                finish_reason="stop",
                meta=_Meta(sample.id, sample.hash),
                strict=_VALID,
                extracted=_Parse("valid", answer),
                scores=[] if error else scores(sample.scores),
            )
            if sample.seconds is not None or sample.tokens_in is not None or sample.tokens_out is not None:
                self._count_cost(row, sample)
            if error:
                self._fail(row, error)
            elif answer is None:
                self._silent = True
            self._rows.append(row)
        if len(self._rows) >= TOGETHER:
            self._write()

    def _write(self) -> None:
        assert self._stream is not None
        rows, self._rows = self._rows, []
        self.count += len(rows)
        try:
            self._stream.write(masked_json(_ENCODER.encode_lines(rows)))
        except (ValueError, OverflowError):  # a lone surrogate, or a number of any length
            self.checked = False
            self._stream.writelines(json_line(_plain(row)) for row in rows)

    def close(self) -> None:
        if self._stream is not None:
            self._write()
            self._stream.close()
            self._stream = None
            self._encoded.clear()

    def drop(self, names: Sequence[str]) -> None:
        """Take the scores of some metrics out of the lines again, by the names under which they are
        stored."""
        self.checked = False
        with draft(self.path) as part, part.open("wb") as out, self.path.open("rb") as lines:
            for line in lines:
                row = json.loads(line)
                row["scores"] = [score for score in row["scores"] if score["scorer"] not in names]
                out.write(
                    json.dumps(row, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
                )

    @property
    def plain_scores(self) -> dict[str, array[float]] | None:
        """By the name under which they are stored, in the order of the samples; None if one has no answer or lacks a score, or if
        two metrics are stored under one name."""
        complete = all(tally.n == self.count for tally in self.tallies.values())
        if self.errors or self._silent or not complete:
            return None
        scores: dict[str, array[float]] = {}
        for metric in self.metrics:
            values = self.tallies[metric.name].values
            scores[metric.stored_as] = (
                values if metric.higher_is_better else array("d", (1.0 - v for v in values))
            )
        return scores if len(scores) == len(self.metrics) else None

    def missing(self) -> Missing | None:
        """Answers that failed in the tool; asking again is up to the tool, so they are missing for good."""
        return missing_for_good(self.errors.elements(), self.count)

    def _count_cost(self, row: _Row, sample: ForeignSample) -> None:
        self.tokens_in += sample.tokens_in or 0
        self.tokens_out += sample.tokens_out or 0
        if sample.seconds is not None or sample.tokens_in is not None:
            row.seconds, row.tokens_in, row.tokens_out = sample.seconds, sample.tokens_in, sample.tokens_out

    def _fail(self, row: _Row, error: str) -> None:
        """An answer that failed in the tool: neither right nor wrong under any metric."""
        self.errors[error] += 1
        row.finish_reason, row.error = "error", error
        row.strict = row.extracted = _Parse("error", reason=error)
        row.scores = [_Score(stored, "error", None, error) for _, stored, _, _ in self._stored]

    def _scores(self, given: Mapping[str, float | None]) -> list[_Score] | msgspec.Raw:
        # A million answers have few values: the scores of each are encoded once.
        values: float | tuple[float | None, ...]
        if len(self._stored) == 1:
            name, _, _, tally = self._stored[0]
            value = given.get(name)
            if value is None:
                return self._list(given)
            tally(value)
            values = value
        else:
            values = tuple([given.get(name) for name, _, _, _ in self._stored])
            for value, (_, _, _, tally) in zip(values, self._stored, strict=True):
                if value is not None:
                    tally(value)
            if None in values:
                return self._list(given)
        encoded = self._encoded.get(values)
        if encoded is None:
            encoded = msgspec.Raw(_ENCODER.encode(self._list(given)))
            if len(self._encoded) < MOST_VALUES:
                self._encoded[values] = encoded
        return encoded

    def _list(self, given: Mapping[str, float | None]) -> list[_Score]:
        scores: list[_Score] = []
        for name, stored, higher, _ in self._stored:
            value = given.get(name)
            if value is not None:
                scores.append(_Score(stored, "scored", value if higher else 1.0 - value))
            elif name in given:
                scores.append(_Score(stored, "skipped", None, SKIPPED))
        return scores


FIELDS = frozenset(_Row.__struct_fields__)
"""The fields that a line can have."""
_VALID = _Parse("valid")
_ENCODER = msgspec.json.Encoder()


def _plain(row: _Row) -> JsonObject:
    """A row whose scores may be encoded already."""
    if isinstance(row.scores, msgspec.Raw):
        row.scores = msgspec.json.decode(row.scores, type=list[_Score])
    plain: JsonObject = msgspec.to_builtins(row)
    return plain


def missing_for_good(reasons: Iterable[str], of: int) -> Missing | None:
    """Missing answers, which cannot be requested again from here; None if none are missing."""
    # Not imported with this file: another process that only writes drafts starts faster without it.
    from harness.results.records.missing import Missing

    counts = Counter(reasons)
    lost = counts.total()
    return Missing(count=lost, of=of, reasons=dict(counts.most_common()), final=lost) if lost else None


def _shown(sample: ForeignSample) -> JsonObject:
    """What a report shows of a question that is more than a prompt, or has none."""
    if sample.input is not None:
        return sample.input
    prompt = sample.prompt
    if prompt is None:
        return {"id": sample.id}
    return {"prompt": prompt, "choices": sample.conditions.split("\x1e")}

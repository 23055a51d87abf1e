"""Samples of another tool's log → lines of `samples.jsonl`, and their totals.

A score of -0.0 becomes 0.0, by adding 0.0: the two are equal, and one would be written as whichever of them came first.
"""

from __future__ import annotations

import json
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
from harness.imports.sample import TOGETHER, Columns, ForeignSample, Metric
from harness.results import imported_lines
from harness.results.answer_columns import AnswerColumns, stamp
from harness.results.imported_lines import ENCODER, VALID, Meta, Parse, Prompt, Row, Score, plain
from harness.results.imported_tally import Tally

if TYPE_CHECKING:
    from harness.results.records.missing import Missing

SKIPPED = "the tool gave no score"
MOST_VALUES = 1000
"""How many values of a metric have their scores kept."""


@dataclass
class RowWriter:
    """Writes one run's lines; knows afterwards what they hold."""

    path: Path
    metrics: Sequence[Metric]
    tallies: dict[str, Tally] = field(default_factory=dict)
    count: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    worded: dict[str, Counter[str]] = field(default_factory=dict)
    """By metric, as in `ForeignSample.worded`, how often each text stands in place of a score."""
    tokens_in: int = 0
    tokens_out: int = 0
    checked: bool = True
    """Whether every line was encoded as JSON has it: no half of a character, and nothing was rewritten since."""
    columns: AnswerColumns | None = None
    """Where the values of plain answers are kept too; not for a small log."""
    stamp: tuple[int, int] | None = None
    """That of the lines as they were written; see `answer_columns.stamp`."""
    _silent: bool = False
    """Whether a sample has no answer."""
    _stream: BinaryIO | None = None
    _rows: list[Row] = field(default_factory=list)
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
            row = Row(
                sample_id=name,
                input=Prompt(prompt) if prompt is not None and bare else _shown(sample),
                target=sample.target,
                output=answer,
                finish_reason="stop",
                meta=Meta(sample.id, sample.hash),
                strict=VALID,
                extracted=Parse("valid", answer),
                scores=[] if error else scores(sample.scores),
            )
            if sample.seconds is not None or sample.tokens_in is not None or sample.tokens_out is not None:
                self._count_cost(row, sample)
            for metric, text in sample.worded.items():
                self.worded.setdefault(metric, Counter())[text] += 1
            if error:
                self._fail(row, error)
            elif answer is None:
                self._silent = True
            self._rows.append(row)
        if len(self._rows) >= TOGETHER:
            self._write()

    def add_columns(self, names: Sequence[str], columns: Columns) -> None:
        """Append answers, each under the name of its example, as `add` does."""
        self._write()
        given = [[value + 0.0 for value in columns.scores[metric.field]] for metric in self.metrics]
        values: Sequence[float | tuple[float, ...]]
        values = given[0] if len(given) == 1 else list(zip(*given, strict=True)) or [()] * len(columns)
        scores = {value: bytes(self._encoded_scores(value)) for value in dict.fromkeys(values)}
        try:
            lines = imported_lines.encoded(columns, names, [scores[value] for value in values])
        except ValueError:  # a lone surrogate
            lines = None
        if lines is None:
            self.add(zip(names, columns.samples(), strict=True))
            return
        assert self._stream is not None
        shown = masked_json(lines)
        self._stream.write(shown)
        self.count += len(columns)
        if self.columns is not None:
            if shown is lines:
                self.columns.add(names, columns)
            else:
                self.columns.give_up()
        for metric, own in zip(self.metrics, given, strict=True):
            self.tallies[metric.name].values.extend(own)

    def _write(self) -> None:
        assert self._stream is not None
        rows, self._rows = self._rows, []
        if not rows:
            return
        if self.columns is not None:
            self.columns.give_up()
        self.count += len(rows)
        try:
            self._stream.write(masked_json(ENCODER.encode_lines(rows)))
        except (ValueError, OverflowError):  # a lone surrogate, or a number of any length
            self.checked = False
            self._stream.writelines(json_line(plain(row)) for row in rows)

    def close(self) -> None:
        if self._stream is not None:
            self._write()
            self._stream.close()
            self._stream = None
            self._encoded.clear()
            self.stamp = stamp(self.path)
            if self.columns is not None:
                self.columns.close()

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

    def _count_cost(self, row: Row, sample: ForeignSample) -> None:
        self.tokens_in += sample.tokens_in or 0
        self.tokens_out += sample.tokens_out or 0
        if sample.seconds is not None or sample.tokens_in is not None:
            row.seconds, row.tokens_in, row.tokens_out = sample.seconds, sample.tokens_in, sample.tokens_out

    def _fail(self, row: Row, error: str) -> None:
        """An answer that failed in the tool: neither right nor wrong under any metric."""
        self.errors[error] += 1
        row.finish_reason, row.error = "error", error
        row.strict = row.extracted = Parse("error", reason=error)
        row.scores = [Score(stored, "error", None, error) for _, stored, _, _ in self._stored]

    def _scores(self, given: Mapping[str, float | None]) -> list[Score] | msgspec.Raw:
        # A million answers have few values: the scores of each are encoded once.
        values: float | tuple[float | None, ...]
        if len(self._stored) == 1:
            name, _, _, tally = self._stored[0]
            value = given.get(name)
            if value is None:
                return self._list(given)
            values = value + 0.0
            tally(values)
        else:
            each = [given.get(name) for name, _, _, _ in self._stored]
            values = tuple([None if value is None else value + 0.0 for value in each])
            for value, (_, _, _, tally) in zip(values, self._stored, strict=True):
                if value is not None:
                    tally(value)
            if None in values:
                return self._list(given)
        return self._encoded_scores(values)

    def _encoded_scores(self, values: float | tuple[float | None, ...]) -> msgspec.Raw:
        """The scores of an answer that has all of them."""
        encoded = self._encoded.get(values)
        if encoded is None:
            fields = [name for name, _, _, _ in self._stored]
            each = values if isinstance(values, tuple) else (values,)
            encoded = msgspec.Raw(ENCODER.encode(self._list(dict(zip(fields, each, strict=True)))))
            if len(self._encoded) < MOST_VALUES:
                self._encoded[values] = encoded
        return encoded

    def _list(self, given: Mapping[str, float | None]) -> list[Score]:
        scores: list[Score] = []
        for name, stored, higher, _ in self._stored:
            value = given.get(name)
            if value is not None:
                scores.append(Score(stored, "scored", value + 0.0 if higher else 1.0 - value))
            elif name in given:
                scores.append(Score(stored, "skipped", None, SKIPPED))
        return scores


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

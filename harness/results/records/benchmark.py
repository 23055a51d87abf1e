"""One line of `benchmarks.jsonl`: one metric of one benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.records.base import JsonObject, Record


@dataclass(frozen=True, kw_only=True)
class BenchmarkRecord(Record):
    """`values` maps documents to the metric, if it is a number per document; only pins hold it in the
    line."""

    task: str
    metric: str
    value: float | None = None
    stderr: float | None = None
    n: int | None = None
    num_fewshot: int | None = None
    example_limit: int | float | None = None
    higher_is_better: bool | None = None
    key: str | None = None
    folder: str = ""
    model: str | None = None
    fingerprint: str | None = None
    base: JsonObject | None = None
    chat_template: bool | None = None
    source: str | None = None
    measured_at: str | None = None
    task_version: str | None = None
    values: dict[str, float] | None = None

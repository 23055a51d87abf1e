"""Every metric of every recipe as a mean with its 95 % interval, over all of its seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.verdict_types import RunScores
from harness.report.data import Run, TaskGroup
from harness.results.records.sample import SampleRecord

Measure = Callable[[SampleRecord], float | None]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval; `n` examples that have a value in every seed."""

    mean: float
    low: float
    high: float
    n: int


def by_metric(group: TaskGroup) -> dict[str, dict[str, Estimate]]:
    """Metric → recipe → estimate: the primary scorer first, then the others, validity, recall.

    The primary one is the verdict's own, so that no number appears in two versions.
    """
    by_name: dict[str, dict[str, Estimate]] = {}
    for name, (measure, binary) in _measures(group).items():
        row = {}
        for recipe in group.recipes:
            estimate = _estimate(group.of(recipe), measure, binary)
            if estimate is not None:
                row[recipe] = estimate
        if row:
            by_name[name] = row
    if group.verdict is not None and group.verdict.primary in by_name:
        by_name[group.verdict.primary] |= {
            s.recipe: Estimate(mean=s.mean, low=s.low, high=s.high, n=s.n) for s in group.verdict.summaries
        }
    return by_name


def _measures(group: TaskGroup) -> Mapping[str, tuple[Measure, bool]]:
    task = group.runs[0].record.task
    primary = str(task.primary)
    measures: dict[str, tuple[Measure, bool]] = {}
    for scorer in sorted(task.scorers, key=lambda scorer: scorer.name != primary):
        measures[scorer.name] = (_scored(scorer.name), scorer.binary)
    if (task.format or {}).get("kind") == "imported":
        return measures  # another tool read the answers: none is called invalid here
    measures[f"{primary}, strict"] = (_scored_strictly(primary), task.binary(primary))
    measures["valid, strict"] = (lambda row: float(row.strict.valid) if row.answered else None, True)
    measures["valid, extracted"] = (lambda row: float(row.extracted.valid) if row.answered else None, True)
    measures["recall@k"] = (lambda row: row.recall, False)
    return measures


def _scored(name: str) -> Measure:
    return lambda row: row.score(name)


def _scored_strictly(name: str) -> Measure:
    def measure(row: SampleRecord) -> float | None:
        value = row.score(name)
        return None if value is None else value * row.strict.valid

    return measure


def _estimate(runs: list[Run], measure: Measure, binary: bool) -> Estimate | None:
    scores = [
        RunScores(
            recipe="",
            seed=run.seed,
            ids=tuple(row.sample_id for row in run.rows),
            groups=tuple(row.group for row in run.rows),
            values=tuple(measure(row) for row in run.rows),
            binary=binary,
        )
        for run in runs
    ]
    tables = gather(scores)
    if not tables:
        return None
    low, high = mean_interval(tables[0])
    return Estimate(mean=float(tables[0].values.mean()), low=low, high=high, n=len(tables[0].ids))

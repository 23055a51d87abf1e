"""Every metric of every recipe as a mean with its 95 % interval, over all of its seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.evidence import ranking
from harness.evidence.aggregate import gather, mean_interval
from harness.evidence.verdict_types import RunScores
from harness.report.data import Run, TaskGroup
from harness.results.run_files import Row

Measure = Callable[[Row], float | None]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval; `n` examples that have a value in every seed."""

    mean: float
    low: float
    high: float
    n: int


def by_metric(group: TaskGroup) -> dict[str, dict[str, Estimate]]:
    """Metric → recipe → estimate: the primary scorer first, then the others, validity, recall.

    The primary one is the verdict's own, so that no number is shown in two versions.
    """
    found: dict[str, dict[str, Estimate]] = {}
    for name, (measure, binary) in _measures(group).items():
        row = {}
        for recipe in group.recipes:
            estimate = _estimate(group.of(recipe), measure, binary)
            if estimate is not None:
                row[recipe] = estimate
        if row:
            found[name] = row
    if group.verdict is not None and group.verdict.primary in found:
        found[group.verdict.primary] |= {
            s.recipe: Estimate(mean=s.mean, low=s.low, high=s.high, n=s.n) for s in group.verdict.summaries
        }
    return found


def _measures(group: TaskGroup) -> Mapping[str, tuple[Measure, bool]]:
    task = group.runs[0].record["task"]
    scorers = sorted(task["scorers"], key=lambda scorer: scorer["name"] != task["primary"])
    found: dict[str, tuple[Measure, bool]] = {}
    for scorer in scorers:
        found[scorer["name"]] = (_scored(scorer["name"]), scorer["binary"])
    found[f"{task['primary']}, strict"] = (_scored_strictly(task["primary"]), scorers[0]["binary"])
    found["valid, strict"] = (_valid("strict"), True)
    found["valid, extracted"] = (_valid("extracted"), True)
    found["recall@k"] = (recall, False)
    return found


def _scored(name: str) -> Measure:
    return lambda row: next((s["value"] for s in row["scores"] if s["scorer"] == name), None)


def _scored_strictly(name: str) -> Measure:
    scored = _scored(name)

    def measure(row: Row) -> float | None:
        value = scored(row)
        return None if value is None else value * (row["strict"]["status"] == "valid")

    return measure


def _valid(reading: str) -> Measure:
    return lambda row: None if row["finish_reason"] == "error" else float(row[reading]["status"] == "valid")


def recall(row: Row) -> float | None:
    """Share of the gold documents among the retrieved; None where either is missing."""
    if not (row["passages"] or row.get("searched")) or not row["context_ids"]:
        return None
    return ranking.recall_at_k(ranking.documents_of(row), ranking.gold_of(row))


def _estimate(runs: list[Run], measure: Measure, binary: bool) -> Estimate | None:
    scores = [
        RunScores(
            recipe="",
            seed=run.seed,
            ids=tuple(row["sample_id"] for row in run.rows),
            groups=tuple(row["group"] for row in run.rows),
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

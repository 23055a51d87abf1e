"""The trend of every task × recipe: each finished run with its interval, upgrades and change points.

A change point is found by the largest standardised difference of the means before and after it
(CUSUM; Page 1954) among runs in the order of time, each weighted by its standard error. Its p-value is
two-sided, times the number of possible places (Bonferroni). The interval of its place holds every
split whose log-likelihood is within 1.92 of the best one's (95 % profile likelihood). Runs on the
same examples share their sampling error, so that the test is cautious. One change point a series.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.regress import pins
from harness.regress.pins import Snapshot
from harness.run.folder import RunFolder
from harness.stats import clusters

ALPHA = 0.05
_DROP = 1.92


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run. `changed` names what an upgrade changed since the run before it."""

    run: str
    at: str
    model: str
    base: str
    seed: int
    mean: float
    low: float
    high: float
    se: float
    n: int
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChangePoint:
    """The first run after the change, the runs that it may as well have been, and its size."""

    run: str
    first: str
    last: str
    change: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """All runs of one recipe on the same examples of one task, oldest first."""

    task: str
    recipe: str
    primary: str
    points: tuple[Point, ...]
    change: ChangePoint | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def load(results: Path, task: str | None = None, recipe: str | None = None) -> tuple[Series, ...]:
    """Every series in a results folder; reads files only."""
    found: dict[tuple[Any, ...], list[Snapshot]] = {}
    for folder in sorted(file.parent for file in (results / "runs").glob("*/run.json")):
        record = RunFolder(folder).finished()
        if record is None or (task, recipe) not in _selections(record):
            continue
        name = (record["task"]["name"], record["recipe"]["name"], record["labels"], record["limit"])
        if record["split"] == "test":
            found.setdefault(name, []).append(pins.of_run(results, folder.name))
    return tuple(series(runs) for _, runs in sorted(found.items(), key=lambda item: str(item[0])))


def _selections(record: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    task, recipe = record["task"]["name"], record["recipe"]["name"]
    return [(a, b) for a in (None, task) for b in (None, recipe)]


def series(runs: Sequence[Snapshot]) -> Series:
    """The trend of some runs of one task and recipe."""
    ordered = sorted(runs, key=lambda run: (str(run.head.get("started_at")), run.name))
    points = tuple(_points(ordered))
    return Series(
        task=ordered[0].head["task"]["name"],
        recipe=ordered[0].head["recipe"]["name"],
        primary=ordered[0].primary,
        points=points,
        change=change_point(points),
    )


def _points(runs: Sequence[Snapshot]) -> Iterator[Point]:
    before: Mapping[str, Any] = {}
    for run in runs:
        known = [(v, s.group) for s in run.samples if (v := s.values.get(run.primary)) is not None]
        if not known:
            continue
        values = np.array([value for value, _ in known])
        groups = clusters.codes([group for _, group in known])
        spread = float(np.nan_to_num(clusters.mean_variance(values, groups)[0]))
        # Two imaginary answers, one right and one wrong: all alike is no proof of no variance.
        padded = np.concatenate([values, [0.0, 1.0]])
        se = math.sqrt(max(spread, float(padded.var()) / len(padded)))
        half = float(stats.t.ppf(0.975, max(clusters.count(groups) - 1, 1))) * se
        mean = float(values.mean())
        now = _versions(run)
        yield Point(
            run=run.name,
            at=str(run.head.get("started_at")),
            model=run.head["model"]["spec"],
            base=(run.head["recipe"].get("base") or {}).get("kind", "plain"),
            seed=run.head["seed"],
            mean=mean,
            low=max(0.0, mean - half),
            high=min(1.0, mean + half),
            se=se,
            n=len(values),
            changed=tuple(
                f"{k}: {before.get(k)} → {v}" for k, v in now.items() if before and before.get(k) != v
            ),
        )
        before = now


def _versions(run: Snapshot) -> dict[str, Any]:
    head = run.head
    base = (head["recipe"].get("base") or {}).get("kind")
    kept = {"model": head["model"]["spec"], "base": base, "weights": head["model"]["fingerprint"][:8]}
    return kept | {"data": str(head["task"].get("data_hash"))[:8]} | dict(head.get("versions") or {})


def change_point(points: Sequence[Point]) -> ChangePoint | None:
    """The clearest change of the mean, or None where none is beyond chance; needs four runs."""
    if len(points) < 4:
        return None
    means, weights = np.array([p.mean for p in points]), np.array([p.se**-2 for p in points])
    splits = range(1, len(points))
    found = [_split(means, weights, place) for place in splits]
    scores = [abs(change) / se for change, se in found]
    best = int(np.argmax(scores))
    p = min(1.0, 2 * float(stats.norm.sf(scores[best])) * len(found))
    if p > ALPHA:
        return None
    likely = [place for place, score in enumerate(scores) if (scores[best] ** 2 - score**2) / 2 <= _DROP]
    change, se = found[best]
    return ChangePoint(
        run=points[best + 1].run,
        first=points[likely[0] + 1].run,
        last=points[likely[-1] + 1].run,
        change=change,
        low=change - 1.96 * se,
        high=change + 1.96 * se,
        p=p,
    )


def _split(means: Any, weights: Any, place: int) -> tuple[float, float]:
    sides = [(means[:place], weights[:place]), (means[place:], weights[place:])]
    (before, a), (after, b) = [(float((m * w).sum() / w.sum()), 1 / float(w.sum())) for m, w in sides]
    return after - before, math.sqrt(a + b)

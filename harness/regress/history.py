"""The trend of every task × recipe: each finished run with its interval, upgrades and change points.

A change point is found by the largest standardised difference of the means before and after it
(CUSUM; Page 1954) among runs in the order of time, each weighted by its standard error. Its p-value is
two-sided, times the number of possible places (Bonferroni). The interval of its place holds every
split whose log-likelihood is within 1.92 of the best one's (95 % profile likelihood). Runs on the
same examples share their sampling error, so that the test is cautious. One change point a series.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.core.errors import ConfigError
from harness.regress import changes, pins
from harness.regress.pins import Snapshot
from harness.run.folder import RunFolder
from harness.stats import clusters

ALPHA = 0.05
_DROP = 1.92
_UPGRADES = ("model", "recipe", "task", "runtime", "versions")
"""Groups of facts whose change is an upgrade; another seed, commit or machine is none."""


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
    before: float
    after: float
    """Weighted means of the runs on either side."""
    change: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class Series:
    """All runs of one recipe on one task, with as many labels and test examples, oldest first."""

    task: str
    recipe: str
    primary: str
    points: tuple[Point, ...]
    change: ChangePoint | None
    labels: int | None = None
    limit: int | None = None

    @property
    def name(self) -> str:
        """The recipe, and what sets it apart from other series of it."""
        parts = [self.recipe]
        parts += [] if self.labels is None else [f"{self.labels} labels"]
        return " · ".join(parts + ([] if self.limit is None else [f"{self.limit} examples"]))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def load(
    results: Path,
    task: str | None = None,
    recipe: str | None = None,
    problems: list[str] | None = None,
    keep: Callable[[Sequence[str]], bool] = bool,
) -> tuple[Series, ...]:
    """Every series in a results folder; reads files only. What cannot be read is said in `problems`.

    Of a series whose runs' ids `keep` refuses, no answer is read.
    """
    told: list[str] = [] if problems is None else problems
    found: dict[tuple[Any, ...], list[str]] = {}
    for folder in sorted(file.parent for file in (results / "runs").glob("*/run.json")):
        with _said(folder, told):
            record = RunFolder(folder).finished()
            if record and (task, recipe) in _selections(record) and record["split"] == "test":
                found.setdefault(_series_of(record), []).append(folder.name)
    kept = [ids for _, ids in sorted(found.items(), key=lambda item: str(item[0])) if keep(ids)]
    runs = [list(_readable(results, ids, told)) for ids in kept]
    return tuple(series(one) for one in runs if one)


def _readable(results: Path, ids: Sequence[str], problems: list[str]) -> Iterator[Snapshot]:
    for name in ids:
        with _said(results / "runs" / name, problems):
            yield pins.of_run(results, name)


@contextlib.contextmanager
def _said(folder: Path, problems: list[str]) -> Iterator[None]:
    try:
        yield
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        problems.append(f"{folder}: not readable ({type(error).__name__}: {error}); left out")


def _series_of(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return record["task"]["name"], record["recipe"]["name"], record.get("labels"), record.get("limit")


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
        labels=ordered[0].head.get("labels"),
        limit=ordered[0].head.get("limit"),
    )


def _points(runs: Sequence[Snapshot]) -> Iterator[Point]:
    before: Snapshot | None = None
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
            changed=() if before is None else tuple(_upgrades(before, run)),
        )
        before = run


def _upgrades(before: Snapshot, run: Snapshot) -> Iterator[str]:
    for difference in changes.between(before, run):
        if difference.fact.partition(".")[0] in _UPGRADES:
            yield difference.sentence


def change_point(points: Sequence[Point]) -> ChangePoint | None:
    """The clearest change of the mean, or None where none is beyond chance; needs four runs."""
    if len(points) < 4:
        return None
    means, weights = np.array([p.mean for p in points]), np.array([p.se**-2 for p in points])
    splits = range(1, len(points))
    found = [_split(means, weights, place) for place in splits]
    scores = [abs(after - before) / se for before, after, se in found]
    best = int(np.argmax(scores))
    p = min(1.0, 2 * float(stats.norm.sf(scores[best])) * len(found))
    if p > ALPHA:
        return None
    likely = [place for place, score in enumerate(scores) if (scores[best] ** 2 - score**2) / 2 <= _DROP]
    before, after, se = found[best]
    change = after - before
    return ChangePoint(
        run=points[best + 1].run,
        first=points[likely[0] + 1].run,
        last=points[likely[-1] + 1].run,
        before=before,
        after=after,
        change=change,
        low=change - 1.96 * se,
        high=change + 1.96 * se,
        p=p,
    )


def _split(means: Any, weights: Any, place: int) -> tuple[float, float, float]:
    """Weighted means before and after, and the standard error of their difference."""
    sides = [(means[:place], weights[:place]), (means[place:], weights[place:])]
    (before, a), (after, b) = [(float((m * w).sum() / w.sum()), 1 / float(w.sum())) for m, w in sides]
    return before, after, math.sqrt(a + b)

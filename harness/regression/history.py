"""The trend of every task × recipe: each finished run with its interval, upgrades and a change point.

A series holds runs whose primary score was made in the same way; runs scored differently form their own
series. Change points are computed on the examples that the runs share, paired run by run (`change_points`), so
that neither another seed nor another draw of examples looks like a change.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import ConfigError
from harness.evidence import mean_intervals
from harness.evidence.stats import clusters
from harness.evidence.stats.intervals import LEVEL
from harness.regression import change_points, config_diff
from harness.results import likeness, pins
from harness.results.folder import ResultsFolder
from harness.results.pins import Snapshot
from harness.results.records.run import RunRecord
from harness.results.run_files import read_head

_UPGRADES = ("model", "recipe", "task", "runtime", "versions")
"""Groups of facts whose change is an upgrade; another seed, commit or machine is not."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run. `changed` names what an upgrade changed since the run before it."""

    run: str
    at: str
    model: str
    """Its spec, with a mark of its weights if one spec stood for several models."""
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
    """The first run after the change, the range of runs it may have been, and its size."""

    run: str
    first: str
    last: str
    before: float
    after: float
    """Means of the runs on either side, on the examples that all of them answered."""
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
    scored: str = ""
    """How the score was made, if other series of the recipe were scored differently: "exact, casefold=true"."""

    @property
    def name(self) -> str:
        """The recipe, and what distinguishes this series from its others."""
        parts = [self.recipe]
        parts += [f"scored with {self.scored}"] if self.scored else []
        parts += [] if self.labels is None else [f"{self.labels} labels"]
        return " · ".join(parts + ([] if self.limit is None else [f"{self.limit} examples"]))

    def to_json(self) -> dict[str, object]:
        return asdict(self) | {"name": self.name}


def load(
    results: Path,
    task: str | None = None,
    recipe: str | None = None,
    problems: list[str] | None = None,
    keep: Callable[[Sequence[str]], bool] = bool,
) -> tuple[Series, ...]:
    """Every series in a results folder; reads files only. What cannot be read is listed in `problems`.

    Answers of a series are not read if `keep` rejects its runs' ids.
    """
    notes: list[str] = [] if problems is None else problems
    records: list[RunRecord] = []
    for folder in ResultsFolder(results).run_folders():
        head = read_head(folder)
        if isinstance(head, str):
            notes.append(head)
        elif head.record.status == "done" and head.record.split == "test":
            record = head.record
            if task in (None, record.task.name) and recipe in (None, record.recipe.name):
                records.append(record.changed(id=folder.name))
    places = [_series_of(record) for record in records]
    ways = likeness.ways(places, [record.task for record in records])
    members: dict[Place, dict[str, list[RunRecord]]] = {}
    for record, group, way in zip(records, places, ways, strict=True):
        members.setdefault(group, {}).setdefault(way, []).append(record)
    made = []
    for _, several in sorted(members.items(), key=lambda item: str(item[0])):
        words = _in_words(several)
        for way, own in sorted(several.items()):
            ids = [record.id for record in own]
            runs = list(_readable(results, ids, notes)) if keep(ids) else []
            if runs:
                made.append(series(runs, scored=words[way] if len(several) > 1 else ""))
    return tuple(made)


def _in_words(several: Mapping[str, Sequence[RunRecord]]) -> dict[str, str]:
    """Way of scoring → what tells it from the others of the same recipe. An old record does not say its own."""
    tasks = [
        next((record.task for record in own if likeness.scored_with(record.task) == way), own[0].task)
        for way, own in several.items()
    ]
    return dict(zip(several, likeness.apart(tasks), strict=True))


def _readable(results: Path, ids: Sequence[str], problems: list[str]) -> Iterator[Snapshot]:
    for name in ids:
        with _noted(ResultsFolder(results).run(name).path, problems):
            yield pins.of_run(results, name)


@contextlib.contextmanager
def _noted(folder: Path, problems: list[str]) -> Iterator[None]:
    try:
        yield
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
        problems.append(f"{folder}: not readable ({type(error).__name__}: {error}); left out")


Place = tuple[str, str, int | None, int | None]
"""Task, recipe, labels and limit: what the runs of a series share."""


def _series_of(record: RunRecord) -> Place:
    return record.task.name, record.recipe.name, record.labels, record.limit


def series(runs: Sequence[Snapshot], scored: str = "") -> Series:
    """The trend of some runs of one task and recipe, scored in one way."""
    ordered = sorted(runs, key=lambda run: (str(run.head.started_at), run.name))
    points = tuple(_points(ordered))
    return Series(
        task=ordered[0].head.task.name,
        recipe=ordered[0].head.recipe.name,
        primary=ordered[0].primary,
        points=points,
        change=change_point(ordered),
        scored=scored,
        labels=ordered[0].head.labels,
        limit=ordered[0].head.limit,
    )


def _points(runs: Sequence[Snapshot]) -> Iterator[Point]:
    before: Snapshot | None = None
    names = likeness.model_names([run.head.model for run in runs])
    for run, model in zip(runs, names, strict=True):
        known = [(s.id, v, s.group) for s in run.samples if (v := s.values.get(run.primary)) is not None]
        if not known:
            continue
        values = np.array([value for _, value, _ in known])
        alone = mean_intervals.OneRun(values[np.newaxis], {id_: group for id_, _, group in known})
        ((low, high),) = mean_intervals.of_means([alone], [None], LEVEL)
        spread = float(np.nan_to_num(clusters.mean_variance(values, alone.clusters(alone.ids))[0]))
        # Two imaginary answers, one right and one wrong: identical answers do not prove zero variance.
        padded = np.concatenate([values, [0.0, 1.0]])
        se = math.sqrt(max(spread, float(padded.var()) / len(padded)))
        yield Point(
            run=run.name,
            at=str(run.head.started_at),
            model=model,
            base=str(run.head.recipe.base.get("kind", "plain")),
            seed=run.head.seed,
            mean=float(values.mean()),
            low=low,
            high=high,
            se=se,
            n=len(values),
            changed=() if before is None else tuple(_upgrades(before, run)),
        )
        before = run


def _upgrades(before: Snapshot, run: Snapshot) -> Iterator[str]:
    for difference in config_diff.between(before, run):
        if difference.fact.partition(".")[0] in _UPGRADES:
            yield difference.sentence


def change_point(runs: Sequence[Snapshot]) -> ChangePoint | None:
    """The clearest lasting change among runs in chronological order; None if none is beyond chance."""
    alike = _sharing(runs)
    values, groups = _table(alike)
    step = change_points.step(values, groups)
    if step is None:
        return None
    return ChangePoint(
        run=alike[step.start].name,
        first=alike[step.first].name,
        last=alike[step.last].name,
        before=step.before,
        after=step.after,
        change=step.after - step.before,
        low=step.low,
        high=step.high,
        p=step.p,
    )


def _scores(run: Snapshot) -> dict[tuple[str, str], float]:
    """(id, hash of the contents) → primary score: examples are the same if their contents are."""
    known = [((s.id, s.example), s.values.get(run.primary)) for s in run.samples]
    return {example: value for example, value in known if value is not None}


def _sharing(runs: Sequence[Snapshot]) -> list[Snapshot]:
    """The runs that answered at least half of the last one's examples: others used other data."""
    if not runs:
        return []
    last = _scores(runs[-1]).keys()
    return [run for run in runs if 2 * len(last & _scores(run).keys()) >= len(last) > 0]


def _table(runs: Sequence[Snapshot]) -> tuple[NDArray[np.float64], clusters.Codes]:
    """Scores (runs, examples) of the examples that all of them answered, and their groups."""
    columns = [_scores(run) for run in runs]
    shared = [key for key in columns[-1] if all(key in column for column in columns)] if columns else []
    values = np.array([[column[key] for key in shared] for column in columns], dtype=float)
    groups = {(s.id, s.example): s.group for s in runs[-1].samples} if runs else {}
    return values.reshape(len(runs), len(shared)), clusters.codes([groups[key] for key in shared])

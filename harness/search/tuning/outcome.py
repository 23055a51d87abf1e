"""The result of an arm's search in numbers: gains with intervals, what it cost, what was found."""

from __future__ import annotations

import difflib
import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from harness.core.json_types import JsonObject, JsonValue
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.evidence.stats import clusters, seeds
from harness.evidence.stats.paired import grouped_interval
from harness.evidence.stats.resampling import Floats
from harness.evidence.verdict_types import RunScores
from harness.results import run_scores
from harness.results.folder import ResultsFolder, RunFolder
from harness.results.records.run import RunRecord
from harness.results.records.trial import TrialRecord
from harness.results.records.tuning import ArmRecord, Change, CurvePoint, Interval, Scores, Spread
from harness.search.tuning.budget import ArmBudget, Currency
from harness.search.tuning.search_arm import ArmResult

MOST_CHANGES = 40


def of_arm(result: ArmResult, budget: ArmBudget, task: Task, results: Path) -> ArmRecord:
    """All that is known of an arm before test is read."""
    own = [row for row in result.rows if row.duplicate_of is None and not _is_lost(row)]
    states = [row.state for row in own]
    spent = result.spent
    return ArmRecord(
        arm=result.arm.name,
        family=result.arm.family,
        start=", ".join(start.name for start in result.arm.starts),
        study=result.study,
        trials=spent.trials,
        pruned=states.count("pruned"),
        failed=states.count("fail"),
        seconds=spent.seconds,
        tokens=spent.tokens,
        money=spent.money,
        unspent=budget.amount - spent.of(budget.currency),
        overhead=overhead(own),
        dev=_on_dev(result, results),
        changes=changes(result.default, result.champion),
        prompt_diff=prompt_diff(result.default, result.champion, task),
        curve=curve(own, budget.currency),
        spread=spread(own),
    )


def _is_lost(row: TrialRecord) -> bool:
    """Whether its worker died, so that it was tried again, or whether it repeats a trial that had no
    result."""
    return row.state == "duplicate" or (row.state == "fail" and row.error is None)


def _on_dev(result: ArmResult, results: Path) -> Scores:
    folder = ResultsFolder(results)
    runs = [folder.run(str(row.run_id)) for row in (result.first, result.best)]
    default, tuned = ([scored] if (scored := _scores(run)) is not None else [] for run in runs)
    return compared(default, tuned)


def _scores(folder: RunFolder) -> RunScores | None:
    record = folder.finished()
    return None if record is None else run_scores.scores(record, folder.path)


def on_test(default: Sequence[tuple[RunRecord, Path]], tuned: Sequence[tuple[RunRecord, Path]]) -> Scores:
    """The same on test, over all seeds."""
    return compared(
        *([run_scores.scores(record, path) for record, path in side] for side in (default, tuned))
    )


def compared(default: Sequence[RunScores], tuned: Sequence[RunScores]) -> Scores:
    """Two recipes' runs, one per seed, with the difference over the examples that all of them answered."""
    first, second = _table(default), _table(tuned)
    gain = None
    if first and second:
        common = [id for id in first if id in second]
        differences = np.array([second[id][0] - first[id][0] for id in common])
        groups = [first[id][1] for id in common]
        binary = all(run.binary for run in (*default, *tuned))
        gain = _gain(differences, groups, binary=binary)
    return Scores(default=_mean(default), tuned=_mean(tuned), gain=gain)


def _table(runs: Sequence[RunScores]) -> dict[str, tuple[float, str | None]]:
    """Example -> its mean score over the seeds, and its group."""
    values: dict[str, list[float]] = {}
    groups: dict[str, str | None] = {}
    for run in runs:
        for id, value, group in zip(run.ids, run.values, run.groups, strict=True):
            groups[id] = group
            if value is not None:
                values.setdefault(id, []).append(value)
    return {
        id: (statistics.fmean(known), groups[id]) for id, known in values.items() if len(known) == len(runs)
    }


def _mean(runs: Sequence[RunScores]) -> Interval | None:
    table = _table(runs)
    if not table:
        return None
    codes = clusters.codes([group for _, group in table.values()])
    estimate = seeds.mean(np.array([[value for value, _ in table.values()]]), codes)
    low, high = estimate.interval()
    return Interval(mean=estimate.mean, low=max(low, 0.0), high=min(high, 1.0), n=len(table))


def _gain(differences: Floats, groups: Sequence[str | None], *, binary: bool) -> Interval | None:
    if not len(differences):
        return None
    low, high = grouped_interval(differences, clusters.codes(groups), binary=binary)
    mean = float(differences.mean())
    return Interval(mean=mean, low=max(low, -1.0), high=min(high, 1.0), n=len(differences))


def overfit(dev: Interval | None, test: Interval | None) -> Interval | None:
    """The gain on dev minus the gain on test, two independent samples: square-and-add (Zou and Donner
    2008)."""
    if dev is None or test is None:
        return None
    mean = dev.mean - test.mean
    return Interval(
        mean=mean,
        low=mean - math.hypot(dev.mean - dev.low, test.high - test.mean),
        high=mean + math.hypot(dev.high - dev.mean, test.mean - test.low),
        n=min(dev.n, test.n),
    )


def overhead(rows: Sequence[TrialRecord]) -> float | None:
    """For the trials that were run here, the share of their seconds spent outside runs and proposers."""
    known = [
        (row.seconds, row.run_seconds)
        for row in rows
        if row.state == "complete" and row.seconds and row.run_seconds and row.run_seconds <= row.seconds
    ]
    total = sum(seconds for seconds, _ in known)
    return (total - sum(run for _, run in known)) / total if total else None


def cost_of(row: TrialRecord, currency: Currency) -> float:
    """What a trial took of the budget."""
    if currency == "trials":
        return 1.0
    if currency == "seconds":
        return max(row.seconds or 0.0, row.run_seconds or 0.0)
    return float((row.tokens if currency == "tokens" else row.money) or 0.0)


def curve(rows: Sequence[TrialRecord], currency: Currency) -> tuple[CurvePoint, ...]:
    """The best dev score so far after each trial."""
    points: list[CurvePoint] = []
    spent, best = 0.0, -math.inf
    for row in rows:
        spent += cost_of(row, currency)
        if row.value is not None:
            best = max(best, row.value)
        if best > -math.inf:
            points.append(CurvePoint(spent=spent, best=best))
    return tuple(points)


def spread(rows: Sequence[TrialRecord]) -> Spread | None:
    """How the dev scores of finished trials scatter; None for fewer than two."""
    values = [row.value for row in rows if row.state == "complete" and row.value is not None]
    if len(values) < 2:
        return None
    return Spread(
        n=len(values),
        low=min(values),
        median=statistics.median(values),
        high=max(values),
        deviation=statistics.stdev(values),
    )


def changes(default: Recipe, champion: Recipe) -> tuple[Change, ...]:
    """The settings in which the champion differs from the default, as paths of the recipe file."""
    before, after = (dict(_flat(_slots(recipe))) for recipe in (default, champion))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return tuple(
        Change(knob=name, before=before.get(name), after=after.get(name)) for name in names[:MOST_CHANGES]
    )


def _slots(recipe: Recipe) -> JsonObject:
    config = {name: part for name, part in recipe.config().items() if name not in ("name", "about")}
    plain: JsonObject = json.loads(json.dumps(config))
    return plain


def _flat(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Settings with their paths; a list of plain values is one setting."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else name)
    elif path == "weights" and isinstance(value, list):
        for index, part in enumerate(value):
            yield from _flat(part, path if len(value) == 1 else f"{path}.{index}")
    else:
        yield path, value


def prompt_diff(default: Recipe, champion: Recipe, task: Task) -> str:
    """A line-by-line diff of the prompts of the first dev example."""
    before, after = (_lines(recipe, task) for recipe in (default, champion))
    return "\n".join(difflib.unified_diff(before, after, "default", "tuned", lineterm=""))


def _lines(recipe: Recipe, task: Task) -> list[str]:
    """The lines of the first dev example's prompt."""
    train, example = task.splits.get("train", ()), task.splits["dev"][0]
    messages = recipe.program.prepare(task, train, 0)(example).messages
    return [line for one in messages for line in (f"[{one.role}]", *one.content.splitlines())]


def to_json(record: ArmRecord) -> JsonObject:
    plain: JsonObject = json.loads(json.dumps(asdict(record)))
    return plain

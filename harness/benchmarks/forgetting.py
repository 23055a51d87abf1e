"""How much training made a model forget: each document's score is compared with the untuned base's.

The difference is paired: both models answered the same documents with the same prompts. Only results whose
keys are equal apart from the weights are compared, so a different number of shots or `--limit` cannot pass
for forgetting.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from harness.benchmarks import result_files
from harness.benchmarks.subject import Target, base_of, find
from harness.core import formatting
from harness.core.errors import ConfigError
from harness.core.json_types import JsonValue
from harness.evidence.stats import paired
from harness.evidence.stats.resampling import Floats
from harness.results.database import benchmarks
from harness.results.folder import ResultsFolder
from harness.results.records.benchmark import BenchmarkRecord

_SAME = ("num_fewshot", "example_limit", "chat_template", "task_version")


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """`change` is run − base, negated for metrics where lower is better: below 0 means forgotten.

    `low` and `high` are its 95 % interval; `p` is two-sided. `lost` and `gained` count documents
    that became worse and better. All in the metric's own unit.
    """

    run: str
    base: str
    task: str
    metric: str
    n: int
    before: float
    after: float
    change: float
    low: float
    high: float
    p: float
    lost: int
    gained: int

    def to_json(self) -> dict[str, JsonValue]:
        return asdict(self)

    @property
    def sentence(self) -> str:
        points = [formatting.signed(value) for value in (self.change, self.low, self.high)]
        verb = "forgot" if self.high < 0 else "gained" if self.low > 0 else "may have kept"
        return (
            f"{self.run} {verb} {self.task}: {points[0]} points of {self.metric} [{points[1]}, {points[2]}]"
        )


@dataclass(frozen=True, kw_only=True)
class Overall:
    """The mean change over tasks, each weighing the same, in one metric per task.

    The interval adds the tasks' half widths in quadrature: tasks are independent samples.
    """

    run: str
    tasks: tuple[str, ...]
    change: float
    low: float
    high: float

    def to_json(self) -> dict[str, JsonValue]:
        return asdict(self)


def of_run(results: Path, run: str) -> tuple[Forgetting, ...]:
    """What a run forgot, from earlier measurements; empty if the run or its base was not measured.

    Reads files only: no model is loaded.

    Raises:
        ConfigError: no such run.
    """
    target = find(results, run)
    if target.run is None:
        raise ConfigError(f"'{run}' is a model, not a run", remedy="only training forgets")
    return between(target, base_of(results, target)) if target.trained else ()


def known(results: Path, run: str) -> tuple[Forgetting, ...]:
    """The same; also empty if the base's files are not on this machine. `run` is a full id."""
    if not (ResultsFolder(results).run(run).path / benchmarks.FILE).is_file():
        return ()
    try:
        return of_run(results, run)
    except ConfigError:
        return ()


def between(target: Target, base: Target) -> tuple[Forgetting, ...]:
    """The change on every task and metric on which both were measured in the same way."""
    return tuple(_pairs(target, base))


def overall(losses: Sequence[Forgetting]) -> Overall | None:
    """The mean over tasks, in the first metric of each task; None if there are none."""
    first: dict[str, Forgetting] = {}
    for item in losses:
        first.setdefault(item.task, item)
    if not first:
        return None
    items = list(first.values())
    change = sum(item.change for item in items) / len(items)
    below = math.sqrt(sum((item.change - item.low) ** 2 for item in items)) / len(items)
    above = math.sqrt(sum((item.high - item.change) ** 2 for item in items)) / len(items)
    return Overall(
        run=items[0].run,
        tasks=tuple(first),
        change=change,
        low=change - below,
        high=change + above,
    )


def _pairs(target: Target, base: Target) -> Iterator[Forgetting]:
    known: dict[tuple[Hashable, ...], BenchmarkRecord] = {
        _name(row): row for row in result_files.read(base.folder)
    }
    stand = {_name(row): row for row in result_files.read(target.folder)}
    latest = {(row.task, row.metric): row for row in stand.values() if _name(row) in known}
    for row in latest.values():
        other = known[_name(row)]
        after, before = benchmarks.values(target.folder, row), benchmarks.values(base.folder, other)
        shared = [name for name in after if name in before]
        if shared:
            yield _compared(
                target.name,
                base.name,
                row,
                np.array([before[name] for name in shared]),
                np.array([after[name] for name in shared]),
            )


def _name(row: BenchmarkRecord) -> tuple[Hashable, ...]:
    return (row.task, row.metric, *(getattr(row, name) for name in _SAME))


def _compared(run: str, base: str, row: BenchmarkRecord, before: Floats, after: Floats) -> Forgetting:
    sign = -1.0 if row.higher_is_better is False else 1.0
    differences = sign * (after - before)
    binary = bool(np.isin(np.concatenate([before, after]), (0.0, 1.0)).all())
    gained, lost = paired.wins_and_losses(differences)
    lows, highs = paired.interval(differences, binary=binary)
    low, high = float(lows[0]), float(highs[0])
    both = np.concatenate([before, after])
    if both.min() >= 0.0 and both.max() <= 1.0:
        # Two scores within [0, 1] differ by no more than 1.
        low, high = max(low, -1.0), min(high, 1.0)
    p = paired.mcnemar(gained, lost) if binary else float(paired.sign_flip(differences)[0])
    change = float(differences.mean())
    return Forgetting(
        run=run,
        base=base,
        task=row.task,
        metric=row.metric,
        n=len(differences),
        before=float(before.mean()),
        after=float(after.mean()),
        change=change,
        low=min(low, change),
        high=max(high, change),
        p=p,
        lost=lost,
        gained=gained,
    )

"""Which runs a report is about, when the command names none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import ConfigError, nearest
from harness.results.database import queries
from harness.results.database.queries import RunRow
from harness.results.database.store import Store
from harness.results.run_labels import labels
from harness.runner.asked import covers
from harness.tasks.named import name_of


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Ids of the runs that a report is about, of finished runs on other examples, and of unfinished runs,
    which the report only names."""

    runs: tuple[str, ...]
    other_examples: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    recipes: tuple[str, ...] = field(default=(), compare=False)
    """What the recipe of each of `runs` is called in tables."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out, as sentences."""
        notes = []
        if count := len(self.other_examples):
            whose = "run is" if count == 1 else "runs are"
            notes.append(
                f"{count} {whose} left out, of other examples or data than the latest: "
                f"{_named(self.other_examples)}; name runs to compare them"
            )
        if self.unfinished:
            notes.append(f"not finished, and left out: {', '.join(self.unfinished)}; the report says why")
        return tuple(notes)


SHOWN = 5
"""How many runs are named; the others are counted."""


def _named(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return ", ".join(runs[:SHOWN]) + more


def or_task(results: Path, names: Sequence[str], task: str | None) -> tuple[Sequence[str], str | None]:
    """The names of runs, and the task if what was typed instead of a run is one: `harness report TASK` is what its users
    try first.

    Args:
        task: the task that an option names.

    Raises:
        ConfigError: a task among several names.
    """
    with Store.open(results) as store:
        tasks = {run.task for run in queries.runs(store)}
    named = [meant for name in names if (meant := name_of(name)) in tasks]
    task = None if task is None else name_of(task)
    if not named:
        return names, task
    if len(names) == 1 and task in (None, named[0]):
        return (), named[0]
    raise ConfigError(
        f"'{named[0]}' is a task, not a run",
        remedy=f"name one task and nothing else, or runs by their ids: harness ls --task {named[0]}",
    )


def choose(results: Path, names: Sequence[str], task: str | None) -> Chosen:
    """The runs to report on, and those left out.

    Named runs are used as given. Otherwise, for each task and model: the finished runs on test with the data
    of the latest complete one that cover at least its examples, so that every difference is over the same
    ones. Failed and interrupted runs do not affect the choice.

    Raises:
        ConfigError: a name that matches no run or several, an unknown task, or nothing to report.
    """
    with Store.open(results) as store:
        if names:
            rows = {row.id: row for row in (queries.find(store, name) for name in names)}
            unfinished = [id for id, row in rows.items() if not _has_answers(row)]
            named = [row for id, row in rows.items() if id not in unfinished]
            return Chosen(
                runs=tuple(row.id for row in named), unfinished=tuple(unfinished), recipes=_recipes(named)
            )
        runs = [run for run in queries.runs(store) if run.split == "test"]
    tasks = sorted({run.task for run in runs})
    if task is not None and task not in tasks:
        raise ConfigError(
            f"no runs of task '{task}'", file=results, remedy=nearest(task, tasks) if tasks else ""
        )
    asked = [run for run in runs if task in (None, run.task)]
    if not asked:
        raise ConfigError("no runs to report on", file=results, remedy="start with: harness run TASK")
    finished = [run for run in asked if _has_answers(run)]
    latest = _latest(finished)
    held = [run for run in finished if _holds(run, latest[run.task, run.model])]
    kept = {run.id for run in held}
    return Chosen(
        runs=tuple(run.id for run in held),
        other_examples=tuple(run.id for run in finished if run.id not in kept),
        unfinished=tuple(run.id for run in asked if not _has_answers(run)),
        recipes=_recipes(held),
    )


def _recipes(runs: Sequence[RunRow]) -> tuple[str, ...]:
    names = labels(run.record for run in runs)
    return tuple(names[run.record.id] for run in runs)


def _latest(finished: Sequence[RunRow]) -> dict[tuple[str, str], RunRow]:
    """(task, model) → its latest complete run; if none is complete, one that lacks answers."""
    complete_last = sorted(finished, key=lambda run: run.status == "done")
    return {(run.task, run.model): run for run in complete_last}


def _has_answers(run: RunRow) -> bool:
    return run.record.has_answers


def _holds(run: RunRow, other: RunRow) -> bool:
    """Whether a run covers at least the examples of another one."""
    if run.data_hash != other.data_hash or _format(run) != _format(other):
        return False
    had, wanted = run.example_limit, other.example_limit
    # Runs of format 1 were asked the first examples of the file, and are grouped only with each other.
    if _format(run) == 1:
        return had == wanted
    if run.record.planned is None and other.record.planned is None:
        return covers(had, wanted)
    # What stopped once the verdict was sure stands for all that it would have been asked.
    return _planned(run) >= _planned(other)


def _planned(run: RunRow) -> int:
    """How many examples there were to ask."""
    record = run.record
    statuses = (record.counts.get(name, 0) for name in ("scored", "invalid", "error"))
    return record.planned or record.limit or sum(statuses)


def _format(run: RunRow) -> int:
    return run.record.format

"""Which runs a report is about, when the command names none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.run.asked import covers
from harness.store import queries
from harness.store.store import Store

Row = dict[str, Any]


def choose(results: Path, names: Sequence[str], task: str | None) -> tuple[list[str], list[str]]:
    """Ids of the runs to report on, and ids of those left out because they are not comparable.

    Named runs are taken as they are. Otherwise, for each task and model: the runs on test with the data of
    the latest one that were asked at least its examples, so that every difference is about the same ones.

    Raises:
        ConfigError: a name that fits no run or several, an unknown task, or nothing to report.
    """
    with Store.open(results) as store:
        if names:
            return list(dict.fromkeys(queries.find(store, name)["id"] for name in names)), []
        runs = [run for run in queries.runs(store) if run["split"] == "test"]
    tasks = sorted({run["task"] for run in runs})
    if task is not None and task not in tasks:
        raise ConfigError(
            f"no runs of task '{task}'", file=results, remedy=nearest(task, tasks) if tasks else ""
        )
    chosen = [run for run in runs if task in (None, run["task"])]
    if not chosen:
        raise ConfigError("no runs to report on", file=results, remedy="start with: harness run TASK")
    latest = {(run["task"], run["model"]): run for run in chosen}
    kept = [run for run in chosen if _holds(run, latest[run["task"], run["model"]])]
    ids = [run["id"] for run in kept]
    return ids, [run["id"] for run in chosen if run["id"] not in set(ids)]


def _holds(run: Row, other: Row) -> bool:
    """Whether a run was asked at least the examples of another one."""
    if run["data_hash"] != other["data_hash"] or _format(run) != _format(other):
        return False
    had, wanted = run["example_limit"], other["example_limit"]
    # Runs of format 1 were asked the first examples of the file, and are taken with their like alone.
    return had == wanted if _format(run) == 1 else covers(had, wanted)


def _format(run: Row) -> int:
    record = run["record"]
    return int(record.get("format", 1)) if isinstance(record, dict) else 1

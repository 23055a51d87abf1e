"""Which runs a report is about, when the command names none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError, nearest
from harness.results.database import queries
from harness.results.database.store import Store

Row = dict[str, Any]


def choose(results: Path, names: Sequence[str], task: str | None) -> tuple[list[str], list[str]]:
    """Ids of the runs to report on, and ids of those left out because they are not comparable.

    Named runs are taken as they are. Otherwise, for each task and model: the runs on test with
    the data and the limit of the latest one, so that every row of a table is about the same examples.

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
    latest = {(run["task"], run["model"]): _examples(run) for run in chosen}
    kept = [run for run in chosen if latest[run["task"], run["model"]] == _examples(run)]
    ids = [run["id"] for run in kept]
    return ids, [run["id"] for run in chosen if run["id"] not in set(ids)]


def _examples(run: Row) -> tuple[str, int | None]:
    """What decides which examples a run was asked."""
    return run["data_hash"], run["example_limit"]

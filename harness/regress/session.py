"""One `harness gate`: run and pin from disk, the task's rules, the noise floor, the verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core.errors import RunError
from harness.regress import noise, pins, rules
from harness.regress.gate import Gate, judge


def gate_run(
    results: Path,
    run: str,
    against: str,
    *,
    folder: Path = pins.FOLDER,
    task: str | None = None,
    margin: float | None = None,
    reruns: int | None = None,
    allow_inconclusive: bool = False,
) -> Gate:
    """Judge a run against a pin; `reruns` measures the noise floor first.

    Raises:
        ConfigError: no such run, pin or task, other data, or rules that are none.
        RunError: the run itself, or a rerun, failed.
    """
    from harness.tasks.load import load

    pinned = pins.read(against, folder)
    _require_done(results, run)
    loaded = load(task or pinned.head["task"]["name"])
    limits = rules.of_task(loaded, margin)
    if reruns is not None:
        from harness.run.progress import choose

        with choose(quiet=False) as progress:
            noise.measure(results, run, reruns, progress, task)
    snapshot = pins.of_run(results, run)
    forgotten = _forgotten(results, snapshot.name) if limits.forgetting else {}
    return judge(snapshot, pinned, limits, forgotten=forgotten, allow_inconclusive=allow_inconclusive)


def _require_done(results: Path, run: str) -> None:
    """A run that failed is an execution error, not a mistake of whoever gates it."""
    path = pins.find_run(results, run) / "run.json"
    if not path.is_file():
        raise RunError(f"run '{path.parent.name}' did not finish; run its command again")
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["status"] != "done":
        raise RunError(f"run '{record['id']}' {record['status']}: {record['error']}")


def _forgotten(results: Path, run: str) -> dict[str, Any]:
    from harness.benchmarks import forgetting

    found: dict[str, Any] = {}
    for item in forgetting.of_run(results, run):
        found.setdefault(item.task, item)
    return found

"""`results/trials.jsonl`: every trial's last state, from which the report and DuckDB are made."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FILE = "trials.jsonl"
EXACT = "exact"
"""The attribute of a trial with its values as they were measured, where the sampler was told others."""


def exact(trial: FrozenTrial) -> Sequence[float]:
    """A finished trial's values as they were measured."""
    return trial.user_attrs.get(EXACT, trial.values)


def row(study: str, trial: FrozenTrial, about: Mapping[str, Any]) -> dict[str, Any]:
    """A trial of a study as JSON; `about` says which search it belongs to."""
    from optuna.distributions import distribution_to_json

    attributes = trial.user_attrs
    cost = attributes.get("cost", {})
    # Of a pruned trial Optuna gives its last score on the way, which is no result.
    values = exact(trial) if trial.state.name == "COMPLETE" else None
    return {
        "study": study,
        "number": trial.number,
        "state": _state(trial),
        "value": values[0] if values else None,
        "objectives": dict(zip(about["objectives"], values, strict=True)) if values else None,
        "params": dict(trial.params),
        "values": attributes.get("is", {}).get("values", dict(trial.params)),
        "distributions": {name: distribution_to_json(d) for name, d in trial.distributions.items()},
        "intermediate": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "constraints": attributes.get("constraints"),
        "run_id": attributes.get("run_id"),
        "started_at": _started_at(trial),
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        **{name: cost.get(name) for name in ("train_seconds", "train_steps", "tokens", "money")},
        "duplicate_of": attributes.get("duplicate_of"),
        "error": attributes.get("error"),
        "stopped": attributes.get("stopped"),
        **{name: about[name] for name in ("task", "model", "recipe", "labels", "limit", "directions")},
        "of": about.get("of"),
    }


def _started_at(trial: FrozenTrial) -> str | None:
    """When a trial started, in UTC. Optuna's own time is that of the worker's clock without its zone, so what
    the worker wrote down counts where it has."""
    worker = trial.user_attrs.get("worker")
    if worker and worker.get("at"):
        return datetime.fromtimestamp(worker["at"], UTC).isoformat(timespec="seconds")
    begun = trial.datetime_start
    return None if begun is None else begun.astimezone(UTC).isoformat(timespec="seconds")


def _state(trial: FrozenTrial) -> str:
    """`complete`, `pruned`, `fail`, `running`, or `duplicate` of one that had no result to repeat."""
    repeated = trial.state.name == "FAIL" and trial.user_attrs.get("duplicate_of") is not None
    return "duplicate" if repeated else trial.state.name.lower()


def append(results: Path, row: Mapping[str, Any]) -> None:
    """One line of its own, whoever else writes."""
    results.mkdir(parents=True, exist_ok=True)
    line = json.dumps(row, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
    with (results / FILE).open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(end - 1, 0))
        stream.write(line if stream.read(1) in (b"", b"\n") else b"\n" + line)


def read(results: Path) -> list[dict[str, Any]]:
    """The last line of every trial, by study and number; lines that a kill cut off are left out."""
    latest: dict[tuple[str, int], dict[str, Any]] = {}
    try:
        # At \n alone: U+2028 and its like are ordinary characters inside a JSON text.
        lines = (results / FILE).read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            found = json.loads(line)
            latest[(str(found["study"]), int(found["number"]))] = found
        except (ValueError, KeyError, TypeError):
            continue
    return [latest[key] for key in sorted(latest)]

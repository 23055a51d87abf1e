"""`results/trials.jsonl`: every trial's last state, from which the report and DuckDB are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.core.files import append_line
from harness.core.json_types import JsonObject
from harness.results import side_files
from harness.results.folder import ResultsFolder
from harness.results.records.trial import TrialRecord
from harness.results.run_files import JOURNAL_REMEDY, read_journal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

EXACT = "exact"
"""The attribute of a trial with its values as measured, if the sampler was given others."""


def exact(trial: FrozenTrial) -> Sequence[float]:
    """A finished trial's values as measured."""
    values: Sequence[float] = trial.user_attrs.get(EXACT, trial.values)
    return values


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which search a trial belongs to."""

    task: str
    model: str
    recipe: str
    labels: int | None
    limit: int | None
    objectives: Sequence[str]
    directions: Sequence[Literal["maximize", "minimize"]]
    of: JsonObject | None = None
    """What its study is about."""


def record(study: str, trial: FrozenTrial, search: Search) -> TrialRecord:
    """A trial of a study in its current state."""
    from optuna.distributions import distribution_to_json

    attributes = trial.user_attrs
    cost = attributes.get("cost", {})
    # For a pruned trial Optuna gives its last intermediate score, which is not a result.
    values = exact(trial) if trial.state.name == "COMPLETE" else None
    line = {
        "study": study,
        "number": trial.number,
        "state": _state(trial),
        "value": values[0] if values else None,
        "objectives": dict(zip(search.objectives, values, strict=True)) if values else None,
        "params": dict(trial.params),
        "values": attributes.get("is", {}).get("values", dict(trial.params)),
        "distributions": {name: distribution_to_json(d) for name, d in trial.distributions.items()},
        "intermediate": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
        "constraints": attributes.get("constraints"),
        "run_id": attributes.get("run_id"),
        "started_at": _started_at(trial),
        "seconds": trial.duration.total_seconds() if trial.duration else None,
        **{
            name: cost.get(name)
            for name in ("train_seconds", "train_steps", "run_seconds", "tokens", "money")
        },
        "duplicate_of": attributes.get("duplicate_of"),
        "error": attributes.get("error"),
        "stopped": attributes.get("stopped"),
        **{name: getattr(search, name) for name in ("task", "model", "recipe", "labels", "limit")},
        "directions": list(search.directions),
        "of": search.of,
    }
    return TrialRecord.of(line)


def _started_at(trial: FrozenTrial) -> str | None:
    """When a trial started, in UTC. Optuna's own time is that of the worker's clock without its zone, so the
    worker's own record takes precedence if there is one."""
    worker = trial.user_attrs.get("worker")
    if worker and worker.get("at"):
        return datetime.fromtimestamp(worker["at"], UTC).isoformat(timespec="seconds")
    begun = trial.datetime_start
    return None if begun is None else begun.astimezone(UTC).isoformat(timespec="seconds")


def _state(trial: FrozenTrial) -> str:
    """`complete`, `pruned`, `fail`, `running`, or `duplicate` of one without a result to repeat."""
    repeated = trial.state.name == "FAIL" and trial.user_attrs.get("duplicate_of") is not None
    return "duplicate" if repeated else trial.state.name.lower()


def append(results: Path, trial: TrialRecord) -> None:
    """Append one whole line, even if others write at the same time."""
    results.mkdir(parents=True, exist_ok=True)
    file = ResultsFolder(results).trials
    if problem := side_files.problem_of(file):  # a study's storage has its trials as well
        side_files.name(file, problem, JOURNAL_REMEDY)
    else:
        append_line(file, trial.to_json())


def read(results: Path, odd: set[str] | None = None) -> list[TrialRecord]:
    """The last line of every trial, by study and number; lines that a kill cut off are left out.

    Args:
        odd: takes the names of studies with a line of another layout, which is left out as well.
    """
    latest: dict[tuple[str, int], TrialRecord] = {}
    file, problems = ResultsFolder(results).trials, list[str]()
    for line in read_journal(file, problems):
        try:
            trial = TrialRecord.of(line)
        except ValueError:
            if odd is not None:
                odd.add(str(line.get("study")))
            continue
        latest[(trial.study, trial.number)] = trial
    for problem in problems:
        side_files.say_once(problem)
    return [latest[key] for key in sorted(latest)]

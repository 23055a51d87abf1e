"""Searches as a report sees them: the trials of `trials.jsonl`, and which knob mattered."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.core.json_types import JsonObject
from harness.results.records.trial import TrialRecord
from harness.results.run_files import JsonLine
from harness.results.trials import read as read_trials

UNITS: Mapping[str, tuple[float, str]] = {
    "score": (100.0, "dev score, points"),
    "seconds": (1.0, "seconds of a trial"),
    "memory": (2.0**-30, "peak memory, GiB"),
    "prompt_tokens": (1.0, "tokens of a prompt"),
    "latency": (1000.0, "95 % of answers within, ms"),
    "train_tokens": (1e-3, "tokens trained on, thousands"),
}
"""Objective → the factor that scales its values for display, and the axis title."""
FEWEST = 4
"""Finished trials below which an importance would be a guess."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One distinct configuration. `values` and the scores on the way are in the units of `UNITS`."""

    number: int
    state: str
    values: tuple[float, ...]
    """One for each objective; empty if the trial was not finished."""
    params: JsonObject
    steps: tuple[tuple[int, float], ...]
    """Rung and dev score, in order."""
    feasible: bool
    row: TrialRecord


@dataclass(frozen=True, kw_only=True)
class Study:
    """A search of one recipe on one task under one model."""

    name: str
    task: str
    model: str
    recipe: str
    objectives: tuple[str, ...]
    maximize: tuple[bool, ...]
    trials: tuple[Trial, ...]

    @property
    def done(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.values]

    @cached_property
    def best(self) -> Trial:
        """The best finished trial by the first objective, among those that satisfy the constraints if any do."""
        kept = [trial for trial in self.done if trial.feasible] or self.done
        return max(kept, key=lambda trial: (self.sign(0) * trial.values[0], -trial.number))

    @cached_property
    def front(self) -> list[Trial]:
        """Trials that no other is as good as in every objective and better in one."""
        points = {t.number: [self.sign(i) * v for i, v in enumerate(t.values)] for t in self.done}

        def beaten(own: list[float]) -> bool:
            return any(o != own and all(a >= b for a, b in zip(o, own, strict=True)) for o in points.values())

        return [t for t in self.done if t.feasible and not beaten(points[t.number])]

    @cached_property
    def knobs(self) -> list[str]:
        """Knobs that took more than one value, the most important first."""
        names = dict.fromkeys(name for trial in self.trials for name in trial.params)
        varied = [n for n in names if len({json.dumps(t.params.get(n)) for t in self.trials}) > 1]
        return sorted(varied, key=lambda name: -self.importance.get(name, 0.0))

    @cached_property
    def importance(self) -> dict[str, float]:
        """PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) of the first objective, as shares of 1; empty
        for a handful of trials."""
        return {} if len(self.done) < FEWEST else _importance(self)

    def sign(self, objective: int) -> float:
        return 1.0 if self.maximize[objective] else -1.0

    def short(self, knob: str) -> str:
        """The knob without its slot, unless another has the same last word."""
        last = knob.rpartition(".")[2]
        names = {name for trial in self.trials for name in trial.params}
        return last if sum(name.rpartition(".")[2] == last for name in names) < 2 else knob

    def distribution(self, knob: str) -> JsonLine:
        """Optuna's description of a knob's range, with its `name`."""
        for trial in self.trials:
            if knob in trial.row.distributions:
                distribution: JsonLine = json.loads(trial.row.distributions[knob])
                return {"name": distribution["name"], **distribution["attributes"]}
        return {"name": ""}


def read(results: Path) -> tuple[Study, ...]:
    """The studies with at least one finished trial; rows that are not trials are left out."""
    rows: dict[str, list[TrialRecord]] = {}
    odd: set[str] = set()
    for row in read_trials(results, odd):
        if row.study not in odd and row.duplicate_of is None and row.state != "duplicate":
            rows.setdefault(row.study, []).append(row)
    return tuple(study for of_study in rows.values() if (study := _study(of_study)) is not None)


def _study(rows: Sequence[TrialRecord]) -> Study | None:
    try:
        first = next(row for row in rows if row.objectives)
        names = tuple(first.objectives or ())
        study = Study(
            name=str(first.study),
            task=str(first.task),
            model=str(first.model),
            recipe=str(first.recipe),
            objectives=names,
            maximize=tuple(direction == "maximize" for direction in first.directions),
            trials=tuple(_trial(row, names) for row in rows),
        )
        study.knobs  # noqa: B018 — reads every distribution, so that an odd one is found here
        return study
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError):
        return None


def _trial(row: TrialRecord, objectives: Sequence[str]) -> Trial:
    factors = [UNITS.get(name, (1.0, name))[0] for name in objectives]
    measured = row.objectives
    score = UNITS["score"][0]
    return Trial(
        number=int(row.number),
        state=str(row.state),
        values=tuple(float(measured[n]) * f for n, f in zip(objectives, factors, strict=True))
        if measured
        else (),
        params=dict(row.params),
        steps=tuple(sorted((int(k), score * float(v)) for k, v in row.intermediate.items())),
        feasible=row.feasible,
        row=row,
    )


def _importance(study: Study) -> dict[str, float]:
    import optuna
    from optuna.distributions import json_to_distribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = optuna.create_study(direction="maximize" if study.maximize[0] else "minimize")
        for trial in study.done:
            known = {n: json_to_distribution(d) for n, d in trial.row.distributions.items()}
            made.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.params), distributions=known, value=trial.values[0]
                )
            )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        try:
            return dict(optuna.importance.get_param_importances(made, evaluator=evaluator))
        except (ValueError, RuntimeError):
            # All trials have one value, or their ranges differ: importance is undefined.
            return {}

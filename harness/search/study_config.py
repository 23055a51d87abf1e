"""A study's configuration: everything that a worker on any machine needs, as plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.core.json_types import JsonValue
from harness.core.keys import canonical_json, digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe, from_config
from harness.evidence.cost import Prices
from harness.results.trials import Search
from harness.runner.cells import Cell
from harness.search.objectives import Constraint, direction
from harness.search.space import Space, space


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When to stop: distinct trials, hours of wall time of this command, seconds of all trials, tokens trained on or
    read, money."""

    trials: int
    hours: float | None = None
    seconds: float | None = None
    tokens: int | None = None
    money: float | None = None
    prices: Prices = field(default_factory=Prices)
    never_over: bool = False
    """Whether a trial starts only where the rest would pay for another as expensive as the most expensive so far; the first
    always starts."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """One study. Its name covers everything that determines its trials, but not its `budget`."""

    task: str
    task_name: str
    data_hash: str
    recipe: Mapping[str, Any]
    model: str
    fingerprint: str
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ("score",)
    constraints: tuple[Constraint, ...] = ()
    pruner: str = "hyperband"
    seed: int = 0
    limit: int | None = None
    labels: int | None = None
    budget: Budget
    results: Path
    storage: str | None = None
    given_name: str | None = None
    scoring: Mapping[str, object] = field(default_factory=dict)
    """Scorers with their settings, primary and format, as in run records."""

    @property
    def study(self) -> str:
        """Its name: the same for all plans that would run the same trials."""
        if self.given_name:
            return self.given_name
        decides = [
            self.data_hash,
            self.default().identity(),
            self.fingerprint,
            self.settings,
            self.only,
            self.objectives,
            [[c.name, c.limit] for c in self.constraints],
            self.pruner,
            self.seed,
            self.limit,
            self.labels,
        ]
        return f"{self.task_name}-{self.recipe['name']}-{digest(decides)[:8]}"

    def of(self) -> dict[str, JsonValue]:
        """What its trials measure, as JSON reads it back; trials with another identity are not comparable."""
        about = {
            "task": self.task_name,
            "data_hash": self.data_hash,
            **{name: self.scoring.get(name) for name in ("version", "primary", "scorers", "format")},
            "model": {"spec": self.model, "fingerprint": self.fingerprint},
            "recipe": self.default().identity(),
            "objectives": list(self.objectives),
            "labels": self.labels,
            "limit": self.limit,
            "seed": self.seed,
        }
        plain: dict[str, JsonValue] = json.loads(canonical_json(about))
        return plain

    def about(self) -> Search:
        """What every row of `trials.jsonl` says about its study."""
        return Search(
            objectives=self.objectives,
            directions=self.directions,
            task=self.task_name,
            model=self.model,
            recipe=str(self.recipe["name"]),
            labels=self.labels,
            limit=self.limit,
            of=self.of(),
        )

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """Which way each objective is better."""
        return [direction(name) for name in self.objectives]

    def default(self) -> Recipe:
        config = {k: v for k, v in self.recipe.items() if k != "name"}
        return from_config(config, name=str(self.recipe["name"]))

    def space(self) -> Space:
        return space(self.default(), self.settings, self.only)

    def cell(self, task: Task, recipe: Recipe) -> Cell:
        """A trial's cell: dev of a task that has no test."""
        return Cell(
            task=task,
            model=self.model,
            fingerprint=self.fingerprint,
            recipe=recipe,
            seed=self.seed,
            limit=self.limit,
            labels=self.labels,
            split="dev",
        )

"""A cell is one thing to run: task × model × recipe × seed, named by the hash of what decides it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.core import recipes
from harness.core.errors import ConfigError
from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden, refuse_in_models
from harness.decide.command import Invocation
from harness.models import architecture
from harness.run.experiment import DEFAULT_MODEL, Experiment
from harness.run.workbench import fingerprint, is_server

RUN_FORMAT = 1
"""Part of every key: raised when the runner itself would give another result."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`labels` is how many train examples the recipe may see (None: all); `split` is what is asked."""

    task: Task
    model: str
    fingerprint: str
    recipe: Recipe
    seed: int
    limit: int | None = None
    labels: int | None = None
    split: str = "test"
    invocation: Invocation | None = None
    """The command that the cell comes from; it decides nothing."""

    @property
    def key(self) -> str:
        return digest(
            {
                "format": RUN_FORMAT,
                "data": self.task.data_hash,
                "scorers": [scorer.identity() for scorer in self.task.scorers],
                "answers": self.task.format.identity(),
                "model": self.fingerprint,
                "recipe": self.recipe.identity(),
                "seed": self.seed,
                "limit": self.limit,
                "labels": self.labels,
                "split": self.split,
            }
        )

    @property
    def id(self) -> str:
        """Readable and unique: a folder name and what commands take as RUN."""
        model = re.sub(r"[^A-Za-z0-9.]+", "-", self.model).strip("-")[-32:]
        labels = "" if self.labels is None else f"-n{self.labels}"
        return f"{self.task.name}-{self.recipe.name}{labels}-{model}-s{self.seed}-{self.key[:8]}"

    def describe(self) -> dict[str, Any]:
        """The cell as JSON: the first part of `cell.json`."""
        task = self.task
        scorers = [{"name": scorer.name(), "binary": scorer.binary} for scorer in task.scorers]
        return {
            "id": self.id,
            "key": self.key,
            "task": {
                "name": task.name,
                "version": task.version,
                "data_hash": task.data_hash,
                "primary": task.primary,
                "margin": task.margin,
                "scorers": scorers,
            },
            "recipe": self.recipe.config(),
            "oracle": self.recipe.oracle,
            "seeded": self.recipe.seeded,
            "model": {"spec": self.model, "fingerprint": self.fingerprint},
            "seed": self.seed,
            "split": self.split,
            "limit": self.limit,
            "labels": self.labels,
            "invocation": None if self.invocation is None else self.invocation.to_json(),
        }


def plan(experiment: Experiment) -> list[Cell]:
    """Every cell of an experiment, cheapest kind first: a user sees answers within a minute.

    A recipe that no seed can change gets one cell; label curves apply to recipes that learn.

    Raises:
        ConfigError: an unknown task or model, a server asked to be trained, or a recipe that a model's
            architecture does not allow.
    """
    cells = list(_cells(experiment))
    unique = {cell.key: cell for cell in cells}
    return sorted(unique.values(), key=lambda cell: bool(cell.recipe.weights))


def _cells(experiment: Experiment) -> Iterator[Cell]:
    from harness.tasks.load import load

    tasks = [(name, load(name)) for name in experiment.tasks]
    for model in experiment.models:
        _check_model(model, experiment.recipes)
        mark = fingerprint(model)
        for place, task in tasks:
            invocation = _invocation(experiment, place, task, model)
            for recipe in experiment.recipes:
                _check_fits(task, recipe)
                for labels in (experiment.labels if recipe.learns else ()) or (None,):
                    for seed in range(experiment.seeds if recipe.seeded else 1):
                        yield Cell(
                            task=task,
                            model=model,
                            fingerprint=mark,
                            recipe=_limited(recipe, labels),
                            seed=seed,
                            limit=experiment.limit,
                            labels=labels,
                            invocation=invocation,
                        )


def _invocation(experiment: Experiment, place: str, task: Task, model: str) -> Invocation | None:
    """The command that was typed, with what other commands need to know of this task and model."""
    if experiment.invocation is None:
        return None
    learnable = not is_server(model) and bool(task.splits.get("train"))
    return replace(
        experiment.invocation,
        task=place,
        models=tuple(hidden(name) for name in experiment.invocation.models),
        model="" if model == DEFAULT_MODEL else hidden(model),
        trainable=learnable and _suits(model, "lora"),
        askable=_suits(model, "zero_shot"),
        examples=len(task.splits["test"]),
    )


def _suits(model: str, recipe: str) -> bool:
    """Whether a shipped recipe can be used with a model."""
    if is_server(model):
        return recipe == "zero_shot"
    try:
        architecture.check(model, architecture.of_spec(model), [recipes.load(recipe)])
    except ConfigError:
        return False
    return True


def _limited(recipe: Recipe, labels: int | None) -> Recipe:
    return recipe if labels is None else replace(recipe, data=recipe.data.replace(limit=labels))


def _check_fits(task: Task, recipe: Recipe) -> None:
    refuse_in_models([recipe.config(), *(scorer.identity() for scorer in task.scorers)])
    if hasattr(recipe.program, "retriever") and not task.corpus:
        recipe_needs = f"recipe '{recipe.name}' retrieves, but task '{task.name}' has no corpus"
        raise ConfigError(recipe_needs, remedy="add 'corpus:' to the task file or leave the recipe out")
    if recipe.learns and not task.splits.get("train"):
        raise ConfigError(f"recipe '{recipe.name}' needs train examples, task '{task.name}' has none")


def _check_model(model: str, recipes: tuple[Recipe, ...]) -> None:
    if not is_server(model):
        architecture.check(model, architecture.of_spec(model), recipes)
        return
    trained = [recipe.name for recipe in recipes if recipe.weights]
    if trained:
        raise ConfigError(
            f"model '{hidden(model)}' is asked, never trained; recipes {', '.join(trained)} train",
            remedy="leave them out with --recipes, or name a model that can be loaded here",
        )

"""A cell is one thing to run: task × model × recipe × seed, named by the hash of what decides it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from harness.core.keys import digest
from harness.core.protocols import Task
from harness.core.recipes import Recipe
from harness.core.secrets import hidden, refuse_in_models
from harness.core.values import Example
from harness.run import keys
from harness.run.experiment import Experiment
from harness.run.suitable import LeftOut, misfit, nothing_fits
from harness.run.workbench import fingerprint
from harness.tasks.sampling import sample


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`labels` is how many train examples the recipe may see (None: all); `split` is what is asked, and
    `limit` how many of its examples (None: all). `fault` says why the cell cannot be run at all."""

    task: Task
    model: str
    fingerprint: str
    recipe: Recipe
    seed: int
    limit: int | None = None
    labels: int | None = None
    split: str = "test"
    fault: str = ""

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """What is asked: all of the split, or a seeded sample of it."""
        return sample(self.task.splits[self.split], self.limit)

    @cached_property
    def weights_key(self) -> str:
        """Of everything that decides the trained weights. What is asked afterwards is no part of it."""
        return keys.weights_key(self.task, self.fingerprint, self.recipe, self.seed, self.labels)

    @cached_property
    def key(self) -> str:
        """Of everything that decides an answer. How many are asked, and how they are scored, is no part of it."""
        weights = self.weights_key if self.recipe.weights else None
        return keys.answers_key(
            self.task, self.fingerprint, self.recipe, self.seed, self.labels, self.split, weights
        )

    @property
    def id(self) -> str:
        """Readable and unique: a folder name and what commands take as RUN."""
        model = re.sub(r"[^A-Za-z0-9.]+", "-", self.model).strip("-")[-32:]
        labels = "" if self.labels is None else f"-n{self.labels}"
        return f"{self.task.name}-{self.recipe.name}{labels}-{model}-s{self.seed}-{self.key[:8]}"

    def describe(self) -> dict[str, Any]:
        """The cell as JSON: the first part of `cell.json`."""
        return {
            "id": self.id,
            "key": self.key,
            "format": keys.RUN_FORMAT,
            "weights_key": self.weights_key if self.recipe.weights else None,
            "task": describe_task(self.task),
            "recipe": self.recipe.config(),
            "model": {"spec": self.model, "fingerprint": self.fingerprint},
            "seed": self.seed,
            "split": self.split,
            "limit": self.limit,
            "labels": self.labels,
        }


def describe_task(task: Task) -> dict[str, Any]:
    """What a record says of its task: which data, and everything that decides a score but no answer."""
    return {
        "name": task.name,
        "version": task.version,
        "data_hash": task.data_hash,
        "primary": task.primary,
        "margin": task.margin,
        "format": {"kind": task.format.name(), "hash": digest(task.format.identity())[:12]},
        "scorers": [
            {"name": scorer.name(), "binary": scorer.binary, "identity": scorer.identity()}
            for scorer in task.scorers
        ],
    }


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The cells of an experiment, and the default recipes that its tasks and models do not allow."""

    cells: tuple[Cell, ...]
    left_out: tuple[LeftOut, ...] = ()


def plan(experiment: Experiment) -> list[Cell]:
    """Every cell of an experiment; see `layout`."""
    return list(layout(experiment).cells)


def layout(experiment: Experiment) -> Layout:
    """Every cell of an experiment, cheapest kind first: a user sees answers within a minute.

    A recipe that no seed can change gets one cell; label curves apply to recipes that learn. A default
    recipe that does not fit is left out; one that the user named becomes a cell with a `fault`.

    Raises:
        ConfigError: an unknown task or model, or no default recipe fits.
    """
    from harness.tasks.load import load

    tasks = [load(name) for name in experiment.tasks]
    cells: dict[tuple[str, str], Cell] = {}
    left_out: list[LeftOut] = []
    for model in experiment.models:
        mark = fingerprint(model)
        for task in tasks:
            for recipe in experiment.recipes:
                refuse_in_models([recipe.config(), *(scorer.identity() for scorer in task.scorers)])
                found = misfit(task, model, recipe)
                if found is not None and experiment.defaults:
                    where = {"task": task.name, "model": hidden(model), "recipe": recipe.name}
                    left_out.append(LeftOut(**where, reason=found.reason, remedy=found.remedy))
                    continue
                base = Cell(task=task, model=model, fingerprint=mark, recipe=recipe, seed=0)
                base = replace(base, limit=experiment.limit, fault="" if found is None else str(found))
                cells |= {(task.name, cell.key): cell for cell in _copies(base, experiment)}
    if not cells:
        raise nothing_fits(left_out)
    ordered = sorted(cells.values(), key=lambda cell: bool(cell.recipe.weights))
    return Layout(cells=tuple(ordered), left_out=tuple(left_out))


def _copies(cell: Cell, experiment: Experiment) -> Iterator[Cell]:
    """The cell for every number of labels and every seed that can make a difference."""
    recipe = cell.recipe
    for labels in (experiment.labels if recipe.learns else ()) or (None,):
        for seed in range(experiment.seeds if recipe.seeded else 1):
            yield replace(cell, recipe=limited(recipe, labels), labels=labels, seed=seed)


def limited(recipe: Recipe, labels: int | None) -> Recipe:
    """The recipe with at most so many train examples."""
    return recipe if labels is None else replace(recipe, data=recipe.data.replace(limit=labels))

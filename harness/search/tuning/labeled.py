"""The labels that the prompt arm may draw on: as many as every other arm may learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from harness.core.protocols import DataContext, Task
from harness.core.recipes import Recipe
from harness.methods.data.train import Train


def labeled(task: Task, recipe: Recipe, labels: int | None, seed: int) -> Task:
    """The task with a train split of `labels` examples, those that a recipe trained with this seed learns from.

    Args:
        task: without a test split.
        recipe: the arm's start; data that is generated counts by the labels it starts from.
        labels: number of train examples; None: all of them.
        seed: that of the search.
    """
    if labels is None:
        return task
    data = recipe.data if isinstance(recipe.data, Train) and recipe.data.train_alone else Train()
    context = DataContext(engine=_no_engine, cache=Path(), model="")
    pool = data.replace(limit=labels).examples(task, seed, context)
    return replace(task, splits={**task.splits, "train": pool})


def _no_engine(spec: str) -> NoReturn:
    raise ValueError(f"train examples are drawn without a model, not with {spec}")

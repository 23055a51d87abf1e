"""The name by which stored runs know a task that was typed as a folder or a YAML file."""

from __future__ import annotations

from harness.core import recipes, shipped
from harness.core.errors import ConfigError
from harness.tasks import load


def name_of(typed: str) -> str:
    """The task's name; what leads to no file that can be read stays as it was typed, because runs outlive their task.

    Args:
        typed: a task's name, its folder or YAML file, or an experiment file of one task.
    """
    named = _named(typed)
    return named if named == typed else _named(named)


def _named(typed: str) -> str:
    """The name that a task's file gives it, or the task of an experiment file, as it is written there."""
    try:
        path = shipped.experiment_file(load.find(typed))
        content = recipes.read_yaml(path)
    except (ConfigError, OSError):
        return typed
    task, name = content.get("task"), content.get("name")
    if task is not None:
        return task if isinstance(task, str) else typed
    return name if isinstance(name, str) and name else path.resolve().parent.name

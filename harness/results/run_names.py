"""Which run a short name means: the beginning of an id, which several runs may share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.core.errors import ConfigError
from harness.core.terminal import say

RERUN = "rerun"
"""Stands for the split of a run that repeats another one to measure its noise."""
SHOWN = 6
"""How many runs an error lists."""
CLOSE = 3
"""How many runs an error suggests for a misspelled name."""
LIST = "harness ls"
"""The command that shows the runs."""


def unique(name: str, split_of: Mapping[str, str]) -> str:
    """The run that `name` means: the only candidate, or the only one on test, which a note on stderr then names.

    `harness diagnose` asks the recipes of `harness run` on dev, so that two runs differ only in the hash at the end of
    their ids. Whoever types the beginning of an id means the run that counts.

    Args:
        name: what was typed.
        split_of: id → split of each run that it may mean; at least one.

    Raises:
        ConfigError: several runs are on test, or none of several is.
    """
    if len(split_of) == 1:
        return next(iter(split_of))
    on_test = [id for id, split in split_of.items() if split == "test"]
    if len(on_test) == 1:
        say(f"note: '{name}' matches {len(split_of)} runs; using {on_test[0]}, the one on test", error=True)
        return on_test[0]
    on_test_first = sorted(split_of, key=lambda id: split_of[id] != "test")
    listed = [id if split_of[id] == "test" else f"{id} ({split_of[id]})" for id in on_test_first[:SHOWN]]
    more = f" and {len(split_of) - SHOWN} more" if len(split_of) > SHOWN else ""
    raise ConfigError(
        f"'{name}' matches {len(split_of)} runs",
        remedy=f"type more of the id: {', '.join(listed)}{more}",
    )


def suggestion(name: str, known: Sequence[str]) -> str:
    """What to type instead of an id that no run has: ids that contain the name, such as a recipe's, or the nearest. If it
    is the path of a task, how to list that task's runs."""
    if task := _task(name, known):
        return f"it is the path of a task, not a run's id; the runs of that task: {LIST} --task {task}"
    if inside := [one for one in known if name in one][:SHOWN]:
        return f"runs with it in their id: {', '.join(inside)}"
    close = _nearest(name, known)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}list all runs with: {LIST}"


def _task(name: str, known: Sequence[str]) -> str:
    """The task with runs that a path leads to: its folder, or a YAML file; empty if `name` is none."""
    path = Path(name)
    is_file = path.suffix in (".yaml", ".yml")
    if not is_file and path.name == name:
        return ""
    parts = (path.stem, path.parent.name) if is_file else (path.name,)
    return next((one for one in parts if one and any(id.startswith(f"{one}-") for id in known)), "")


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Ids of which some beginning is spelled nearly like `name`: few people type a whole id."""
    begins: dict[str, list[str]] = {}
    for id in known:
        words = id.split("-")
        for count in range(1, len(words) + 1):
            begins.setdefault("-".join(words[:count]), []).append(id)
    alike = difflib.get_close_matches(name, begins, CLOSE)
    return list(dict.fromkeys(id for one in alike for id in begins[one]))[:CLOSE]


def short(id: str, known: Iterable[str]) -> str:
    """A run's id without the hash that ends it, unless another of the `known` runs begins like that, too."""
    beginning = id.rpartition("-")[0]
    alone = not any(one != id and one.startswith(beginning) for one in known)
    return beginning if beginning and alone else id

"""A hosted finetuning file (chats, tools, preference pairs) given to `harness import`: it becomes a task, as with `init`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ConfigError
from harness.core.terminal import say, say_json
from harness.imports.protocol import suffix_of

if TYPE_CHECKING:
    from harness.tasks.init import Made

_KEYS = ({"messages"}, {"input", "preferred_output"}, {"prompt", "completion"}, {"input", "ideal"})
"""Keys of a line of such a file: any one of these sets."""
TASKS = Path("tasks")
"""Where task folders are kept, as for `harness init`."""


def recognizes(file: Path) -> bool:
    """Whether the first line is a labeled row, not a tool's answer."""
    if suffix_of(file) != ".jsonl":
        return False
    try:
        with file.open("rb") as stream:
            row = json.loads(stream.readline(1 << 24))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(row, dict) and any(keys <= set(row) for keys in _KEYS) and "testCase" not in row


def make(file: Path, name: str | None) -> Made:
    """The task folder of a finetuning file.

    Raises:
        ConfigError: rows that no task can be made from.
    """
    from harness.tasks.init import Wish, init

    try:
        return init(str(file), TASKS, Wish(name=name, target=_target(file)))
    except ConfigError as error:
        remedy = error.remedy or f"see its options: harness init {shlex.quote(str(file))}"
        raise ConfigError(error.message, file=error.file, line=error.line, remedy=remedy) from None


def _target(file: Path) -> str | None:
    """The field with the answers in a samples file of OpenAI Evals; in other files `init` finds it."""
    with file.open("rb") as stream:
        return "ideal" if set(json.loads(stream.readline())) == {"input", "ideal"} else None


def show(made: Made, *, as_json: bool) -> None:
    """Print what was made and the next command."""
    if as_json:
        say_json(made.as_json())
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in made.sizes.items())
    say(f"a finetuning file, no log: wrote the task {made.folder / 'task.yaml'}: {counts}")
    say(f"what each column became: harness validate {shlex.quote(made.handle)}")

"""The first line of a command that loads a model: what it does before it has anything to show."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.core import terminal
from harness.core.options import Repeated, repeated
from harness.core.secrets import hidden


def first_line(target: str | Path, model: Repeated | None, *, silent: bool) -> None:
    """On a terminal, say immediately what is read and loaded: the first imports take a while on a busy
    machine.

    Args:
        target: a task or an experiment file, as typed.
        model: the models that were named; if there are none, the file's or the default one.
        silent: with `--quiet` or `--json`.
    """
    if silent or not sys.stderr.isatty():
        return
    named = [hidden(name) for name in repeated(model or ())]
    if named and all(name.startswith(("openai:", "fake")) for name in named):
        what = f"reading {target}; the model on the server is asked next"
    else:
        what = f"reading {target}, loading torch and {', '.join(named) or 'the model'}"
    terminal.say(f"{what} …", error=True)

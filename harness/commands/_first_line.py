"""The first line of a command that loads a model: what it does before it has anything to show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core import terminal
from harness.core.activity import LIBRARIES, silenced, working
from harness.core.options import Repeated, repeated
from harness.core.secrets import hidden


@contextmanager
def first_line(target: str | Path, model: Repeated | None, *, silent: bool) -> Iterator[None]:
    """Around a command's own imports, which take a while on a busy machine: on a terminal, say immediately what is read
    and loaded; in a log, if it takes more than a second, that libraries are loaded.

    Args:
        target: a task or an experiment file, as typed.
        model: the models that were named; if there are none, the file's or the default one.
        silent: with `--quiet` or `--json`.
    """
    if not silent and sys.stderr.isatty():
        _say(target, model)
    with silenced(silent), working(LIBRARIES):
        yield


def _say(target: str | Path, model: Repeated | None) -> None:
    named = [hidden(name) for name in repeated(model or ())]
    if named and all(name.startswith(("openai:", "fake")) for name in named):
        what = f"reading {target}; the model on the server is asked next"
    else:
        what = f"reading {target}, loading torch and {', '.join(named) or 'the model'}"
    terminal.say(f"{what} …", error=True)

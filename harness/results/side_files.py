"""Files beside the runs that a command can do without: a damaged one is named once, and the command goes on without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from harness.core import guarded
from harness.core.errors import ConfigError
from harness.core.files import write_json
from harness.core.json_types import JsonObject
from harness.core.text import one_line
from harness.results.folder import read_json
from harness.results.lines import reason

T = TypeVar("T")
UNWRITTEN = "delete it or make room, and give the same command again"
log = logging.getLogger(__name__)


def read(path: Path, make: Callable[[JsonObject], T], remedy: str) -> T | None:
    """What `make` makes of the object in a JSON file; None if there is no such file, or none that can be read.

    Args:
        make: may raise ValueError, KeyError or TypeError for an object in another layout.
        remedy: what brings the file back, for the line about a damaged one.
    """
    try:
        return make(read_json(path))
    except FileNotFoundError:
        if path.is_symlink():
            name(path, "is a link to nothing", remedy)
    except ConfigError as error:
        name(path, error.message, remedy)
    except KeyError as error:
        name(path, f"has no {error}", remedy)
    except OSError as error:
        name(path, f"cannot be read: {error.strerror}", remedy)
    except (ValueError, TypeError) as error:
        name(path, f"cannot be read: {reason(error) if isinstance(error, ValueError) else error}", remedy)
    return None


def problem_of(path: Path) -> str:
    """Why a file cannot be read or added to: it is a directory, a device, or a link to nothing or out of its folder; empty
    if nothing speaks against it, also for a missing one."""
    try:
        if path.is_symlink() and not path.exists():
            return "is a link to nothing"
        guarded.of_results(path)
    except ConfigError as error:
        return error.message
    return ""


def write(path: Path, value: object) -> None:
    """Write a JSON file; one that cannot be written is named, and what was computed is not lost for that."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, value)
    except ConfigError as error:
        name(path, error.message, UNWRITTEN)
    except OSError as error:
        name(path, f"cannot be written: {error.strerror}", UNWRITTEN)


def name(path: Path, problem: str, remedy: str) -> None:
    """Say what is wrong with a file that is left out."""
    say_once(f"{path}: {problem}; it is left out — {remedy}")


@lru_cache(maxsize=1024)
def say_once(problem: str) -> None:
    """The line about a damaged file, once in a process: several parts of a command read it. A line break in the file's
    name is shown as `\\n`."""
    log.warning("%s", one_line(problem))

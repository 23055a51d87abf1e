"""What a running command reports about itself: `results/live/NAME.json`, one file, replaced as it proceeds.

A watcher in any process reads this file and the run folders. A request to skip a cell is an empty
file, which the worker looks for.
"""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from harness.core import guarded
from harness.core.errors import ConfigError, nearest
from harness.core.files import write_json
from harness.core.names import check
from harness.results.folder import ResultsFolder
from harness.results.records.base import Lenient

Ending = Literal["", "done", "stopped", "failed"]
"""How a command ended; empty while it is running, or if it was killed."""


@dataclass(frozen=True, kw_only=True)
class LiveCell(Lenient):
    """One cell and its progress. `state` is a word of the runner's, `result` says how it ended."""

    id: str = ""
    recipe: str = ""
    seed: int = 0
    labels: int | None = None
    state: str = "waiting"
    done: int = 0
    total: int = 0
    """Number of answers: how many exist, and how many there will be."""
    training: float | None = None
    """Share of the training that is done; None before it."""
    since: float | None = None
    """When the state began, in seconds since the epoch."""
    result: str = ""


@dataclass(frozen=True, kw_only=True)
class LiveRun(Lenient):
    """One command and its cells. `started` and `updated` are seconds since the epoch."""

    name: str = ""
    pid: int = 0
    started: float = 0.0
    updated: float = 0.0
    ending: Ending = ""
    report: str = ""
    """The report's file, once it is written."""
    seconds_left: float | None = None
    cells: tuple[LiveCell, ...] = ()

    @property
    def at_work(self) -> bool:
        """Whether the command is still running on this machine."""
        return not self.ending and is_alive(self.pid)

    @property
    def interrupted(self) -> bool:
        """Whether it was killed: the same command resumes it."""
        return not self.ending and not is_alive(self.pid)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine is running."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]


def folder(results: Path) -> Path:
    return ResultsFolder(results).live


def file(results: Path, name: str) -> Path:
    return folder(results) / f"{check(name, 'experiment')}.json"


def write(results: Path, run: LiveRun) -> None:
    path = file(results, run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(run))


def restore(results: Path, name: str, before: LiveRun | None) -> None:
    """Restore what an earlier command reported about itself; None: there was nothing."""
    if before is None:
        file(results, name).unlink(missing_ok=True)
    else:
        write(results, before)


def read(results: Path, name: str) -> LiveRun | None:
    """The state of a command; None if it left nothing readable."""
    from harness.core.validation import adapter

    try:
        content = json.loads(guarded.of_results(file(results, name)).read_text(encoding="utf-8"))
        run: LiveRun = adapter(LiveRun).validate_python(content)
    except (OSError, ValueError, RecursionError, ConfigError):
        return None
    # The name is taken from the file name: its contents cannot lead elsewhere.
    return replace(run, name=name)


def names(results: Path) -> list[str]:
    """Experiments that were run in this folder, the latest first."""
    if not folder(results).is_dir():
        return []
    files = [path for path in folder(results).glob("*.json") if path.is_file()]
    return [path.stem for path in sorted(files, key=lambda path: path.stat().st_mtime, reverse=True)]


def name_beside(results: Path, name: str) -> str:
    """The name under which a new command reports: with a number behind it while another command of that name is at work,
    such as one with another model."""
    names_in_turn = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(candidate for candidate in names_in_turn if not _used_by_another(results, candidate))


def _used_by_another(results: Path, name: str) -> bool:
    run = read(results, name)
    return run is not None and run.at_work and run.pid != os.getpid()


def running(results: Path) -> frozenset[str]:
    """Ids of the runs that commands on this machine are at work on."""
    commands = [read(results, name) for name in names(results)]
    at_work = [command for command in commands if command is not None and command.at_work]
    return frozenset(cell.id for command in at_work for cell in command.cells if not cell.result)


def choose(results: Path, name: str | None) -> str:
    """The experiment to watch: the one named, else the latest.

    Raises:
        ConfigError: there is none with that name, or none at all.
    """
    known = names(results)
    if name is None and known:
        return known[0]
    if name is not None and name in known:
        return name
    if not known:
        raise ConfigError(
            "no experiment was run here yet", file=results, remedy="start with: harness run TASK --open"
        )
    raise ConfigError(f"no experiment '{name}' was run here", file=results, remedy=nearest(str(name), known))


def skip_file(results: Path, cell: str) -> Path:
    return folder(results) / "skip" / ResultsFolder(results).run(cell).path.name


def skip(results: Path, cell: str) -> None:
    """Ask the worker of a cell to skip it."""
    path = skip_file(results, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def clear_skip(results: Path, cell: str) -> None:
    skip_file(results, cell).unlink(missing_ok=True)

"""Which file a report goes to: no report is replaced by one with fewer finished runs."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from harness.core.errors import ConfigError
from harness.report import index
from harness.results.folder import ResultsFolder


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a report goes (None: nothing new to write), and which larger one is kept, with its runs."""

    out: Path | None
    kept: Path | None = None
    holds: int = 0

    @property
    def file(self) -> Path:
        """The report to look at."""
        file = self.out or self.kept
        assert file is not None
        return file

    @property
    def note(self) -> str:
        """A note about the report that is kept; empty if none is."""
        if self.kept is None:
            return ""
        runs = "1 finished run" if self.holds == 1 else f"{self.holds} finished runs"
        return f"{self.kept} is kept: it holds {runs}"


def check(out: Path) -> None:
    """Reject a file that no report can be written to before any work is done.

    Raises:
        ConfigError: it is a folder or a link to nothing, or its folder cannot be made or written.
    """
    remedy = "choose another file for the report"
    above = out.parent
    while not (above.exists() or above.is_symlink()):
        above = above.parent
    for path, folder in ((out, False), (above, True)):
        if path.is_symlink() and not path.exists():
            raise ConfigError("is a link to nothing", file=path, remedy=f"delete it, or {remedy}")
        if path.exists() and path.is_dir() != folder:
            raise ConfigError(f"is {'no' if folder else 'a'} folder", file=path, remedy=remedy)
    written_through = out.exists() and not out.is_file()  # a device or a pipe
    if not written_through and not os.access(above, os.W_OK | os.X_OK):
        raise ConfigError("cannot be written", file=above, remedy=remedy)


def place(results: Path, out: Path, finished: Collection[str]) -> Placed:
    """Where to write a report of the runs `finished`: `out`, or a file beside it if `out` holds more.

    Runs that are no longer in the results folder do not count. A report without any finished run is written
    only if there is none.
    """
    held = _held(results, out)
    if len(held) <= len(set(finished)):
        return Placed(out=out)
    if not finished:
        return Placed(out=None, kept=out, holds=len(held))
    for number in count(2):
        beside = out.with_stem(f"{out.stem}-{number}")
        if len(_held(results, beside)) <= len(set(finished)):
            return Placed(out=beside, kept=out, holds=len(held))
    raise AssertionError("unreachable")


def _held(results: Path, report: Path) -> set[str]:
    """The finished runs that a report is made from and that are still there."""
    runs = index.finished_runs(report)
    return {run for run in runs if ResultsFolder(results).run(run).path.is_dir()}

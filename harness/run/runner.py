"""Run an experiment: skip what is complete, resume what was interrupted, record what fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import ConfigError
from harness.run.cells import Cell
from harness.run.execute import execute, failed
from harness.run.folder import RunFolder
from harness.run.locks import Lock
from harness.run.progress import Progress
from harness.run.workbench import Workbench

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Records of all cells in order, and how many of them were run now."""

    records: tuple[dict[str, Any], ...]
    folders: tuple[Path, ...]
    fresh: int

    @property
    def failures(self) -> tuple[dict[str, Any], ...]:
        return tuple(record for record in self.records if record["status"] == "failed")


def run(
    cells: Sequence[Cell],
    results: Path,
    *,
    progress: Progress,
    cache: bool = True,
    on_finished: Callable[[Path], None] = lambda _: None,
) -> Outcome:
    """Bring every cell to completion; a failing one is recorded and the others go on.

    Args:
        results: the results folder; runs are below `runs/`.
        on_finished: called with each run's folder once it is complete (to ingest it).
    """
    check_writable(results)
    workbench = Workbench(results / "answers" if cache else None)
    records, folders, fresh = [], [], 0
    progress.plan(cells)
    for cell in cells:
        folder = RunFolder(results / "runs" / cell.id)
        with Lock(folder.path):
            record = folder.finished()
            known = record is not None
            if record is None:
                record = _attempt(cell, folder, workbench, progress)
        fresh += not known
        progress.finished(cell, record, fresh=not known)
        on_finished(folder.path)
        records.append(record)
        folders.append(folder.path)
    return Outcome(records=tuple(records), folders=tuple(folders), fresh=fresh)


def _attempt(cell: Cell, folder: RunFolder, workbench: Workbench, progress: Progress) -> dict[str, Any]:
    progress.state(cell, "starting")
    try:
        return execute(cell, folder, workbench, progress)
    except (KeyboardInterrupt, ConfigError):
        raise
    except Exception as error:
        log.debug("cell %s failed", cell.id, exc_info=True)
        workbench.discard()
        return failed(cell, folder, error)


def check_writable(results: Path) -> None:
    """Fail before any work when the results folder cannot take it.

    Raises:
        ConfigError: the folder cannot be made or written.
    """
    probe = results / "runs" / ".writable"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = "choose another folder with --results, or make this one writable"
        raise ConfigError(f"cannot be written: {error.strerror}", file=results, remedy=remedy) from None
